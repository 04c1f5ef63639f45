import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Box } from './box.ts';
import { Part } from './part.ts';
import { buildPrograms, moduleSource, programPath } from './programs.ts';

/** Nodes that only seem to run Pods, played by kwok: the API server, the scheduler and the Job controller are real. */
export interface FakeNodes {
  readonly part: Part;
  add(count: number, gpus: number, apply: (manifest: string) => Promise<unknown>): Promise<void>;
}

const LABEL = 'cnn-sweep.dev/fake-node';

// What kwok brings for a Pod of a Job: it is ready, and then complete. Ours also end with a trainer's result.
const STAGES = ['node/fast', 'node/heartbeat-with-lease'];

export async function startFakeNodes(
  box: Box,
  folder: string,
  kubeconfig: string,
  onStop: (stop: () => Promise<void>) => void,
): Promise<FakeNodes> {
  await buildPrograms(['kwok']);
  const config = path.join(folder, 'kwok.yaml');
  const source = await moduleSource('kwok', 'sigs.k8s.io/kwok');
  const stages = await Promise.all(STAGES.map((stage) => stageFiles(path.join(source, 'kustomize/stage', stage))));
  await writeFile(config, [...stages.flat(), POD_STAGES].join('\n---\n'));
  const part = new Part(box, {
    name: 'kwok',
    command: [
      await programPath('kwok'),
      `--kubeconfig=${kubeconfig}`,
      `--config=${config}`,
      '--manage-all-nodes=false',
      `--manage-nodes-with-label-selector=${LABEL}=true`,
      '--node-lease-duration-seconds=40',
    ],
    ready: async () => true,
    logFile: path.join(folder, 'kwok.log'),
  });
  onStop(() => part.stop('SIGKILL'));
  await part.start();
  let added = 0;
  return {
    part,
    add: async (count, gpus, apply) => {
      if (count === 0) return;
      const items = Array.from({ length: count }, () => fakeNode(`fake-${added++}`, gpus));
      await apply(JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
    },
  };
}

async function stageFiles(folder: string): Promise<string[]> {
  const kustomization = await readFile(path.join(folder, 'kustomization.yaml'), 'utf8');
  const names = [...kustomization.matchAll(/^\s*- (\S+\.yaml)$/gm)].map(([, name]) => `${name}`);
  return Promise.all(names.map((name) => readFile(path.join(folder, name), 'utf8')));
}

function fakeNode(name: string, gpus: number) {
  const resources = { cpu: '64', memory: '256Gi', pods: '250', 'nvidia.com/gpu': String(gpus) };
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: { [LABEL]: 'true', 'kubernetes.io/hostname': name } },
    status: { capacity: resources, allocatable: resources },
  };
}

const OF_A_JOB = `  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchExpressions:
    - {key: .metadata.deletionTimestamp, operator: DoesNotExist}
    - {key: '.metadata.ownerReferences.[].kind', operator: In, values: [Job]}`;

const FIGURES =
  '"epoch":1,"trainLoss":1.5,"trainAccuracy":0.5,"validationLoss":1.6,"validationAccuracy":0.45,' +
  '"validationLossStandardError":0.02,"runningTrainLoss":1.7,"seconds":1,"examplesPerSecond":1000';

/** What a trainer writes at its end, from its assignment: the same figures for every trial. */
const RESULT =
  '{"trial":{{ int $assignment.trial }},"attempt":{{ int $assignment.attempt }},' +
  '"attemptUID":"{{ $assignment.attemptUID }}","outcome":"Succeeded","reason":"",' +
  '"hyperparametersHash":"{{ $assignment.hyperparametersHash }}","parameterCount":1000,' +
  '"backend":"native","seconds":1,"summary":{"epochsPlanned":1,"epochsDone":1,"complete":true,"diverged":false,"turningEpoch":1,' +
  `"smoothedLossAtTurn":1.6,"smoothedLossAtEnd":1.6,"best":{${FIGURES}},"last":{${FIGURES}},"rawBest":{${FIGURES}}},` +
  '"test":{"loss":1.6,"accuracy":0.44}}';

const POD_STAGES = `apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: pod-ready}
spec:
${OF_A_JOB}
    - {key: .status.podIP, operator: DoesNotExist}
  next:
    statusTemplate: |
      {{ $now := Now }}
      conditions:
      - {type: Initialized, status: "True", lastTransitionTime: {{ $now | Quote }}}
      - {type: Ready, status: "True", lastTransitionTime: {{ $now | Quote }}}
      - {type: ContainersReady, status: "True", lastTransitionTime: {{ $now | Quote }}}
      containerStatuses:
      {{ range .spec.containers }}
      - image: {{ .image | Quote }}
        name: {{ .name | Quote }}
        ready: true
        started: true
        restartCount: 0
        state: {running: {startedAt: {{ $now | Quote }}}}
      {{ end }}
      hostIP: {{ NodeIPWith .spec.nodeName | Quote }}
      podIP: {{ PodIPWith .spec.nodeName ( or .spec.hostNetwork false ) ( or .metadata.uid "" ) ( or .metadata.name "" ) ( or .metadata.namespace "" ) | Quote }}
      phase: Running
      startTime: {{ $now | Quote }}
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: pod-complete}
spec:
${OF_A_JOB}
    - {key: .status.phase, operator: In, values: [Running]}
    - {key: '.metadata.annotations["cnn-sweep.dev/test-hold"]', operator: DoesNotExist}
  next:
    statusTemplate: |
      {{ $now := Now }}
      conditions:
      - {type: Ready, status: "False", reason: PodCompleted, lastTransitionTime: {{ $now | Quote }}}
      - {type: ContainersReady, status: "False", reason: PodCompleted, lastTransitionTime: {{ $now | Quote }}}
      containerStatuses:
      {{ range .spec.containers }}
      - image: {{ .image | Quote }}
        name: {{ .name | Quote }}
        ready: false
        started: false
        restartCount: 0
        state:
          terminated:
            exitCode: 0
            reason: Completed
            startedAt: {{ $now | Quote }}
            finishedAt: {{ $now | Quote }}
            {{ if and .args (eq (index .args 0) "--assignment-json") }}{{ $assignment := fromJson (index .args 1) }}message: '${RESULT}'{{ end }}
      {{ end }}
      phase: Succeeded
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: pod-delete}
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchExpressions:
    - {key: .metadata.deletionTimestamp, operator: Exists}
  next:
    finalizers: {empty: true}
    delete: true
`;
