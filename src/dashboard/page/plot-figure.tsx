import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { makeImage } from '../../report/charts/image.ts';
import type { Chart, Plot } from '../../report/charts/marks.ts';
import type { TableSpecification } from '../../report/charts/tables.ts';
import { usePage } from './context.ts';
import { ChartTable, Exports } from './figure.tsx';
import type { Ref } from './measure.ts';
import { useWidth } from './measure.ts';
import { buildPicture, type LegendItem } from './picture.ts';
import { StepByArrow } from './step-by-arrow.tsx';

interface PlotFigureProps {
  readonly title: string;
  readonly fileName: string;
  readonly draw: (plot: Plot, width: number) => Chart;
  /** What `draw` depends on. */
  readonly shows: readonly unknown[];
  readonly table: () => TableSpecification;
  readonly legend?: readonly LegendItem[];
  /** Kept free until the chart is there, in pixels: nothing moves. */
  readonly height: number;
  /** Arrow keys: the trial before or behind in rank. */
  readonly onStep: (by: number) => void;
}

let loading: Promise<Plot> | undefined;
/** Observable Plot comes when the first chart needs it. */
export function loadPlot(): Promise<Plot> {
  loading ??= import('./plot.ts');
  return loading;
}

/** One chart of Observable Plot with its sentence, its table and what can be taken away. A click selects a trial. */
export function PlotFigure({ title, fileName, draw, shows, table, legend = [], height, onStep }: PlotFigureProps) {
  const { go } = usePage();
  const place: Ref<HTMLDivElement> = useRef<HTMLDivElement | null>(null);
  const width = useWidth(place);
  const [plot, setPlot] = useState<Plot | undefined>(undefined);
  const [failure, setFailure] = useState('');
  useEffect(() => {
    loadPlot().then(
      (loaded) => setPlot(() => loaded),
      () => {
        loading = undefined;
        setFailure('The charts could not be loaded: reload the page. The figures are in the table.');
      },
    );
  }, []);
  const chart = useMemo(() => (plot && width > 0 ? draw(plot, width) : undefined), [plot, width, ...shows]);
  useEffect(() => {
    if (!plot || !chart || !place.current) return;
    const svg = drawSvg(plot, chart);
    svg.addEventListener('click', () => {
      const trial = trialOf(svg.value);
      if (trial !== undefined) go({ trial });
    });
    place.current.replaceChildren(svg);
  }, [plot, chart]);
  const picture = () => {
    const svg = place.current?.querySelector('svg');
    return svg && chart ? buildPicture(svg, { title, sentence: chart.sentence, legend }) : undefined;
  };
  return (
    <figure>
      <StepByArrow label={title} onStep={onStep}>
        <div class="chart" ref={place} style={{ minHeight: `${height}px` }} />
      </StepByArrow>
      <figcaption>{chart?.sentence ?? (failure || 'Drawing …')}</figcaption>
      <Exports name={fileName} sheet={table} picture={picture} />
      <ChartTable of={title} table={table} />
    </figure>
  );
}

function drawSvg(plot: Plot, { options, sentence }: Chart): ReturnType<Plot['plot']> {
  const svg = plot.plot(options);
  makeImage(svg, sentence);
  return svg;
}

/** What the pointer is nearest to, in any of the charts: a trial, a bar, a cell with its best trial. */
function trialOf(datum: unknown): number | undefined {
  if (typeof datum !== 'object' || datum === null) return undefined;
  if ('trial' in datum && typeof datum.trial === 'number') return datum.trial;
  return 'best' in datum ? trialOf(datum.best) : undefined;
}
