import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { readEnvironment } from '../shared/env.ts';
import { ROOT, VERSION } from '../shared/package.ts';
import { InvalidConfigError, InvalidSweepError, SweepError } from '../sweep/errors.ts';
import { openOutput } from './output.ts';
import { systemError } from './system-error.ts';
import { plain } from './table.ts';

// Exit codes: 0 finished, 1 failed and may be tried again, 2 bad input, 3 no eligible model with --require-model, 130 interrupted.
const output = openOutput();
const environment = readEnvironment();
let outlivesReader: boolean = false;

const program = new Command('cnn-sweep')
  .description('Trains a grid of convolutional networks and names the best model that does not overfit.')
  .version(VERSION)
  .showHelpAfterError('(add --help for what is allowed)')
  .addHelpText('after', () => examples(['run k8s/samples/quick.yaml', 'validate sweep.yaml', 'plan sweep.yaml --json']))
  .exitOverride();

const JUDGE = 'judge a run folder again, or curves from anywhere: one Measurement as JSON a line, - for standard input';
const EXAMPLE_LINE =
  '{"trial":0,"epoch":1,"trainLoss":1.52,"trainAccuracy":0.44,"validationLoss":1.61,"validationAccuracy":0.41,"validationLossStandardError":0.02}';

const json = () => new Option('--json', 'print JSON for a program to read');

command('run <file>', 'train every trial of a sweep on this machine and name the best model', [
  'run k8s/samples/quick.yaml',
  'run k8s/sweep.yaml --parallelism 1 --backend native',
  'run k8s/sweep.yaml --trials 0-3,9     # these first; the same command without --trials goes on with the rest',
])
  .option('--folder <path>', 'run folder; the same folder goes on where it was (default: runs/<name of the sweep>)')
  .option(
    '--parallelism <n>',
    'trials at once (default: what the file says, else as many as cores)',
    wholeNumber(1, 1000),
  )
  .addOption(
    new Option('--backend <name>', 'what computes (default: what the file says, else the fastest there is)').choices([
      'auto',
      'gpu',
      'native',
      'wasm',
      'cpu',
    ]),
  )
  .option('--trials <list>', 'run only these now, by index: 0-3,6', trialList)
  .option('--retry-failed', 'run trials again that failed in an earlier run of the folder')
  .option('--require-model', 'exit with 3 if no model is eligible')
  .option(
    '--port <n>',
    'of the page, which shows the curves while they grow (default: 8080, or any free one)',
    wholeNumber(0, 65535),
  )
  .option('--no-page', 'serve no page')
  .addOption(json())
  .action(async (file, options) => {
    outlivesReader = true;
    await exitWith((await import('./run.ts')).run(file, options, output, environment));
  });

command('validate <file>', 'say everything that is wrong with a sweep file', ['validate k8s/sweep.yaml'])
  .addOption(json())
  .action(async (file, options) => exitWith((await import('./validate.ts')).validate(file, options, output)));

command('plan <file>', 'list the trials of a sweep without training any', [
  'plan k8s/sweep.yaml',
  'plan k8s/sweep.yaml --json',
])
  .addOption(json())
  .action(async (file, options) => exitWith((await import('./plan.ts')).plan(file, options, output)));

command('verdict <folder|curves>', JUDGE, [
  'verdict runs/study',
  'verdict runs/study --max-loss-rise 0.2 --checkpoint BestEpoch   # to look; nothing is written',
  'verdict runs/study --csv > trials.csv',
  'verdict --sweep k8s/sweep.yaml --json curves.ndjson',
])
  .summary(JUDGE)
  .description(`${JUDGE}; a line:\n${EXAMPLE_LINE}`)
  .option(
    '--sweep <file>',
    'the sweep whose trials these are (required with curves; with a folder: take its thresholds)',
  )
  .option('--max-loss-rise <share>', 'instead of selection.maxLossRise: 0.2 is 20 %', share(10))
  .option('--max-accuracy-gap <share>', 'instead of selection.maxAccuracyGap: 0.15 is 15 points; none: no limit', gap)
  .addOption(new Option('--checkpoint <rule>', 'instead of selection.checkpoint').choices(['BestEpoch', 'LastEpoch']))
  .addOption(new Option('--parsimony <rule>', 'instead of selection.parsimony').choices(['OneStandardError', 'None']))
  .addOption(json())
  .option('--csv', 'print the table of trials as CSV, all digits')
  .action(async (place, options) => exitWith((await import('./verdict.ts')).verdict(place, options, output)));

command('report <folder>', 'judge a run folder again and write its report.html', [
  'report runs/quick',
  'report runs/study --sweep k8s/sweep.yaml --output /tmp/study.html   # with the thresholds of this file',
])
  .option('--sweep <file>', 'take the thresholds of `selection` from this file')
  .option('--output <file>', 'where the report goes (default: report.html in the folder)')
  .action(async (folder, options) => exitWith((await import('./report.ts')).report(folder, options, output)));

command('open <folder>', 'show a run folder in the browser; what a run adds to it meanwhile appears', [
  'open runs/quick',
  'open runs/study --port 9000',
])
  .option('--port <n>', 'of the page (default: 8080, or any free one)', wholeNumber(0, 65535))
  .action(async (folder, options) => exitWith((await import('./open.ts')).open(folder, options, output)));

command('data <name>', 'fetch a data set into the cache, or repair it: cifar10 or mnist', ['data cifar10']).action(
  async (name) => exitWith((await import('./data.ts')).data(name, output, environment)),
);

command('doctor', 'say whether a cluster is ready for sweeps, a line a check; leaves nothing behind', [
  'doctor --namespace=default',
  'doctor --namespace=cnn-sweep --lease-namespace=cnn-sweep --lease-name=cnn-sweep-controller',
  'doctor --namespace=cnn-sweep --controller-url=http://cnn-sweep-controller.cnn-sweep:9090 --sweep   # in the cluster',
])
  .option('--namespace <name>', 'where Sweeps are tried (default: the namespace of the kubeconfig)')
  .option('--lease-namespace <name>', 'where the Lease of the controllers is')
  .option('--lease-name <name>', 'its name; without it who leads is not asked')
  .option('--controller-url <url>', 'where the controller answers; without it it is not asked', httpUrl)
  .option('--dashboard-url <url>', 'where the dashboard says whether it is ready; without it it is not asked', httpUrl)
  .option('--streams', 'ask the controller whether NATS has the streams of curves and models')
  .option('--sweep', 'train two small trials without a GPU, too: at most eight minutes')
  .option('--timeout <seconds>', 'for all checks together, the sweep aside', wholeNumber(1, 600), 45)
  .action(async (options) => exitWith((await import('./doctor.ts')).doctor(options, output)));

command('model <sweep>', "download a cluster's model: the best of a sweep, so far if it still runs", [
  'model study',
  'model study --namespace team-a --release-namespace cnn-sweep --output models/study',
  'model study --dashboard https://sweeps.example.com --token-file token   # where it has an address',
])
  .option('--namespace <name>', 'of the sweep (default: the namespace of the kubeconfig)')
  .option('--output <folder>', 'where the model goes; must not exist (default: <sweep>-model)')
  .option('--dashboard <url>', 'address of the dashboard (default: a port of its Pod is forwarded)', httpUrl)
  .option('--release-namespace <name>', 'where its Pod is (default: the namespace of the kubeconfig)')
  .option('--token-file <file>', 'a token for a dashboard that wants to know who asks')
  .action(async (sweep, options) => exitWith((await import('./model.ts')).model(sweep, options, output)));

function command(usage: string, description: string, lines: readonly string[]): Command {
  return program
    .command(usage)
    .description(description)
    .addHelpText('after', () => examples(lines));
}

function examples(lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  cnn-sweep ${line}`).join('\n')}`;
}

async function exitWith(code: Promise<number>): Promise<void> {
  process.exitCode = await code;
}

function wholeNumber(least: number, most: number) {
  return (text: string): number => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`expected a whole number from ${least} to ${most}.`);
  };
}

/** A share as a number from 0. */
function share(most: number) {
  return (text: string): number => {
    const value = Number(text);
    if (/^\d*\.?\d+$/.test(text) && value <= most) return value;
    const percent = /^(\d+(?:\.\d+)?)\s*%$/.exec(text)?.[1];
    const hint = percent === undefined ? '' : `; write ${Number((Number(percent) / 100).toPrecision(12))}`;
    throw new InvalidArgumentError(`expected a number from 0 to ${most}${hint}.`);
  };
}

function httpUrl(text: string): string {
  if (URL.canParse(text) && /^https?:/.test(text)) return text;
  throw new InvalidArgumentError('expected an address, as http://cnn-sweep-controller.cnn-sweep:9090.');
}

function gap(text: string): number | 'none' {
  return text === 'none' ? 'none' : share(1)(text);
}

/** `0-3,6` → 0, 1, 2, 3, 6. */
function trialList(text: string): number[] {
  return text.split(',').flatMap((part) => {
    const [, from, to = from] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part.trim()) ?? [];
    const [first, last] = [Number(from), Number(to)];
    if (from === undefined || last < first) throw new InvalidArgumentError('expected indexes and ranges, as 0-3,6.');
    return Array.from({ length: last - first + 1 }, (_, offset) => first + offset);
  });
}

/** What a person is told about an error that ends the command. @returns the exit code */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof InvalidSweepError) {
    for (const { path, message } of error.violations) output.note(plain(`${path}: ${message}`));
    return 2;
  }
  const told = error instanceof SweepError ? error : systemError(error);
  if (told) {
    output.note(`cnn-sweep: ${told.message}`);
    return told instanceof InvalidConfigError ? 2 : 1;
  }
  output.note(`${error instanceof Error ? error.stack : error}`);
  output.note(`cnn-sweep: unexpected error; please report it with what you did (version ${VERSION}, ${ROOT})`);
  return 1;
}

// A reader that has seen enough (`| head`) is no error. A run goes on without one: its folder is what counts.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (outlivesReader) return;
  if (error.code === 'EPIPE') process.exit();
  output.note(`cnn-sweep: standard output: ${systemError(error)?.message ?? error.message}`);
  process.exit(1);
});
process.stderr.on('error', () => undefined); // nobody is left to be told

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error);
}
