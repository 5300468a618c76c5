/** The objective over two parameters, smoothed: what a contour chart shows. */

import { blur2 } from "d3-array";
import { contours } from "d3-contour";

/** Cells of the grid along each side. */
export const CELLS = 64;
const LEVELS = 10;
/** Cells that lie further from all points than this many bandwidths are left blank. */
const REACH = 1.5;

export interface Level {
  /** The surface is above it within the polygons. */
  above: number;
  /** Rings in cells of the grid, from 0 to `CELLS`; holes run the other way round. */
  rings: [number, number][][];
}

export interface Surface {
  levels: Level[];
  min: number;
  max: number;
}

/**
 * The mean of the values nearby, weighted by a Gaussian kernel (Nadaraya 1964, Watson 1964) on a grid, with Scott's
 * bandwidth for uniform points; null of fewer than three points.
 *
 * `points` have their place, both from 0 to 1, and a value.
 */
export function surface(points: readonly (readonly [number, number, number])[]): Surface | null {
  if (points.length < 3) return null;
  const sums = new Float64Array(CELLS * CELLS);
  const weights = new Float64Array(CELLS * CELLS);
  for (const [x, y, value] of points) {
    const cell = within(y) * CELLS + within(x);
    sums[cell] = (sums[cell] ?? 0) + value;
    weights[cell] = (weights[cell] ?? 0) + 1;
  }
  const bandwidth = Math.max(1, Math.round(0.29 * CELLS * points.length ** (-1 / 6)));
  const near = around(weights, REACH * bandwidth);
  for (const data of [sums, weights]) blur2({ data, width: CELLS, height: CELLS }, bandwidth);
  const values = Array.from(sums, (sum, cell) => (near[cell] ? sum / (weights[cell] ?? NaN) : NaN));
  const known = values.filter(Number.isFinite);
  const min = known.reduce((a, b) => Math.min(a, b), Infinity);
  const max = known.reduce((a, b) => Math.max(a, b), -Infinity);
  const steps = max > min ? Array.from({ length: LEVELS }, (_, i) => min + ((max - min) * i) / LEVELS) : [min];
  const made = contours().size([CELLS, CELLS]).thresholds(steps)(values);
  return {
    levels: made.map((shape) => ({ above: shape.value, rings: shape.coordinates.flat() as [number, number][][] })),
    min,
    max,
  };
}

function within(part: number): number {
  return Math.min(Math.max(Math.floor(part * CELLS), 0), CELLS - 1);
}

/** Marks the cells within `radius` of a cell that has a weight. */
function around(weights: Float64Array, radius: number): Uint8Array {
  const near = new Uint8Array(CELLS * CELLS);
  const reach = Math.floor(radius);
  weights.forEach((weight, cell) => {
    if (!weight) return;
    const [row, column] = [Math.floor(cell / CELLS), cell % CELLS];
    for (let y = Math.max(row - reach, 0); y <= Math.min(row + reach, CELLS - 1); y++)
      for (let x = Math.max(column - reach, 0); x <= Math.min(column + reach, CELLS - 1); x++)
        if ((y - row) ** 2 + (x - column) ** 2 <= radius ** 2) near[y * CELLS + x] = 1;
  });
  return near;
}
