// Of Observable Plot only what the charts use: the rest stays out of the bundle.
export {
  areaY,
  axisX,
  axisY,
  barX,
  cell,
  dot,
  gridY,
  lineY,
  link,
  plot,
  pointer,
  rect,
  ruleX,
  ruleY,
  text,
  tip,
} from '@observablehq/plot';
