// What the landing view does without: it is loaded when somebody goes there.
export { HeatMapView, TimelineView, TradeoffsView } from './charts-view.tsx';
export { ParallelView } from './parallel-view.tsx';
export { loadPlot } from './plot-figure.tsx';
export { TrialView } from './trial-view.tsx';
export { TrialsView } from './trials-view.tsx';
