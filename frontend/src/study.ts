/** An experiment in the browser: what was sent, and what the charts need of it. */

import { numberOf } from "./numbers";
import type { Changes, Curve, Everything, Trial } from "./types";

export const ACTIVE: ReadonlySet<string> = new Set(["Created", "Running"]);
const JUDGED: ReadonlySet<string> = new Set(["Succeeded", "EarlyStopped"]);

export interface Study extends Everything {
  /** By place in `trials`: the objective, NaN where there is none. */
  losses: Float64Array;
  best: Trial | null;
}

export function study(sent: Everything): Study {
  const losses = Float64Array.from(sent.trials, (trial) =>
    JUDGED.has(trial.condition) ? numberOf(trial.metrics[0]) : NaN,
  );
  let best: Trial | null = null;
  let least = NaN;
  sent.trials.forEach((trial, place) => {
    const value = losses[place] ?? NaN;
    if (Number.isNaN(value)) return;
    if (best === null || better(sent, value, least)) [best, least] = [trial, value];
  });
  return { ...sent, losses, best };
}

export function better(sent: Everything, value: number, other: number): boolean {
  return sent.objective.maximize ? value > other : value < other;
}

/** The experiment after changes; trials are in the order of their numbers, from 0. */
export function after(known: Everything, changes: Changes): Everything {
  const { trials: changed, curves, ...head } = changes;
  const trials = changed.length ? known.trials.slice() : known.trials;
  for (const trial of changed) trials[trial.number] = trial;
  const drawn: Record<string, Curve> = { ...known.curves, ...curves };
  return { ...known, ...head, trials, curves: drawn };
}

/** A parameter of a trial as a place on an axis: of a category its index. */
export function coordinate(sent: Everything, trial: Trial, parameter: number): number {
  const declared = sent.parameters[parameter];
  const text = trial.values[parameter];
  if (!declared || text === null || text === undefined) return NaN;
  return declared.type === "categorical" ? (declared.list ?? []).indexOf(text) : numberOf(text);
}

export interface Extent {
  min: number;
  max: number;
  log: boolean;
}

/** Where values lie, and whether a logarithm shows them better: they span two sizes or more. */
export function extent(values: Iterable<number>, log?: boolean): Extent {
  let min = Infinity;
  let max = -Infinity;
  for (const value of values) {
    if (value < min) min = value;
    if (value > max) max = value;
  }
  if (min > max) return { min: 0, max: 1, log: false };
  const positive = min > 0;
  return { min, max, log: positive && (log ?? max / min >= 100) };
}

/** Ends between which nearly all values lie; far ones are beyond. Null if none are far. */
export function robust(values: readonly number[]): { min: number; max: number } | null {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  if (sorted.length < 8) return null;
  const at = (part: number) => sorted[Math.round(part * (sorted.length - 1))] ?? 0;
  const spread = at(0.75) - at(0.25);
  if (!(spread > 0)) return null;
  const [low, high] = [at(0.25) - 2.5 * spread, at(0.75) + 2.5 * spread];
  const kept = sorted.filter((value) => value >= low && value <= high);
  if (kept.length === sorted.length) return null;
  return { min: kept[0] ?? low, max: kept[kept.length - 1] ?? high };
}

/** At most `most` of some places, evenly; those in `first` are kept as far as there is room. */
export function sampled(places: readonly number[], most: number, first: ReadonlySet<number> | null = null): number[] {
  if (places.length <= most) return [...places];
  const wanted = first ? places.filter((place) => first.has(place)) : [];
  const others = first ? places.filter((place) => !first.has(place)) : places;
  const evenly = (of: readonly number[], count: number) =>
    of.length <= count ? [...of] : Array.from({ length: count }, (_, i) => of[Math.floor((i * of.length) / count)] ?? 0);
  const kept = evenly(wanted, Math.ceil(most * 0.8));
  return [...evenly(others, most - kept.length), ...kept];
}

/** Spearman's rank correlation; NaN if one of them does not vary. */
export function rankCorrelation(a: readonly number[], b: readonly number[]): number {
  return pearson(ranks(a), ranks(b));
}

function ranks(values: readonly number[]): number[] {
  const order = values.map((_, place) => place).sort((i, j) => (values[i] ?? 0) - (values[j] ?? 0));
  const found = new Array<number>(values.length);
  for (let begin = 0; begin < order.length; ) {
    let end = begin;
    while (end + 1 < order.length && values[order[end + 1] ?? 0] === values[order[begin] ?? 0]) end++;
    for (let place = begin; place <= end; place++) found[order[place] ?? 0] = (begin + end) / 2;
    begin = end + 1;
  }
  return found;
}

function pearson(a: readonly number[], b: readonly number[]): number {
  const n = a.length;
  const mean = (of: readonly number[]) => of.reduce((sum, value) => sum + value, 0) / n;
  const [x, y] = [mean(a), mean(b)];
  let [xy, xx, yy] = [0, 0, 0];
  for (let i = 0; i < n; i++) {
    const [dx, dy] = [(a[i] ?? 0) - x, (b[i] ?? 0) - y];
    xy += dx * dy;
    xx += dx * dx;
    yy += dy * dy;
  }
  return xx > 0 && yy > 0 ? xy / Math.sqrt(xx * yy) : NaN;
}
