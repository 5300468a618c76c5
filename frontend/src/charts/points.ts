/** The points of a chart as what they stand for: trials. */

/** The values of a point of a chart; none of what is no point. */
export function valueIn(data: unknown): readonly unknown[] {
  const value = Array.isArray(data) ? data : (data as { value?: unknown } | null)?.value;
  return Array.isArray(value) ? value : [];
}

/** A click on a point whose last value is the number of a trial. */
export function numberIn(data: unknown): number | null {
  const last = valueIn(data).at(-1);
  return typeof last === "number" && last >= 0 ? last : null;
}

/** What `inside` needs of a chart. */
interface Plane {
  convertFromPixel(finder: { gridIndex: 0 }, at: number[]): number[];
  convertToPixel(finder: { gridIndex: 0 }, at: number[]): number[];
  getOption(): unknown;
}

/**
 * Numbers of the trials drawn within a rectangle of pixels; a chart of many points does not know its own.
 *
 * Points are those of scatter series: lines and areas have values of other kinds.
 */
export function inside(chart: Plane, rectangle: readonly [readonly number[], readonly number[]]): number[] {
  const pixels = rectangle.map((ends) => [...ends].sort((a, b) => a - b));
  const corners = [0, 1].map((end) => chart.convertFromPixel({ gridIndex: 0 }, pixels.map((ends) => ends[end] ?? NaN)));
  const back = corners.map((corner) => chart.convertToPixel({ gridIndex: 0 }, corner));
  const within = pixels.map(([least = NaN, most = NaN], axis) => {
    const ends = corners.map((corner, end) => ({ value: corner[axis] ?? NaN, pixel: back[end]?.[axis] ?? NaN }));
    const [low, high] = ends.sort((a, b) => a.value - b.value);
    // An axis of categories gives the nearest one, which may lie outside.
    const beside = (end: typeof low) => (end && (end.pixel < least - 1 || end.pixel > most + 1) ? 0.5 : 0);
    return [(low?.value ?? NaN) + beside(low), (high?.value ?? NaN) - beside(high)];
  });
  const { series } = chart.getOption() as { series: { type: string; yAxisIndex?: number; data: unknown[] }[] };
  return series.filter(({ type, yAxisIndex }) => type === "scatter" && !yAxisIndex).flatMap(({ data }) => data.flatMap((point) => {
    const number = numberIn(point);
    const at = valueIn(point);
    const hit = within.every(([low = NaN, high = NaN], axis) => low <= Number(at[axis]) && Number(at[axis]) <= high);
    return number !== null && hit ? [number] : [];
  }));
}
