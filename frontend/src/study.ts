/** An experiment in the browser: what was sent, and what the charts need of it. */

import { once } from "./memo";
import { numberOf } from "./numbers";
import type { Changes, Curve, Everything, Parameter, Trial } from "./types";

export const ACTIVE: ReadonlySet<string> = new Set(["Created", "Running"]);
export const JUDGED: ReadonlySet<string> = new Set(["Succeeded", "EarlyStopped"]);

export interface Study extends Omit<Everything, "best"> {
  /** By place in `trials`: the objective, NaN where there is none. */
  losses: Float64Array;
  best: Trial | null;
}

export function study(sent: Everything): Study {
  const losses = Float64Array.from(sent.trials, (trial) =>
    JUDGED.has(trial.condition) ? numberOf(trial.metrics[0]) : NaN,
  );
  return { ...sent, losses, best: sent.best === null ? null : sent.trials[sent.best] ?? null };
}

export function better(sent: Pick<Everything, "objective">, value: number, other: number): boolean {
  return sent.objective.maximize ? value > other : value < other;
}

/** The experiment after changes; trials are in the order of their numbers, from 0. */
export function after(known: Everything, changes: Changes): Everything {
  const { trials: changed, curves, ...head } = changes;
  const trials = changed.length ? known.trials.slice() : known.trials;
  for (const trial of changed) trials[trial.number] = trial;
  // An empty curve is one that is not shown any more: its attempt does not count, or others are later.
  const drawn: Record<string, Curve> = { ...known.curves, ...curves };
  for (const [number, curve] of Object.entries(curves)) if (!curve.length) delete drawn[number];
  return { ...known, ...head, trials, curves: drawn };
}

/** The best value so far of feasible trials: number of the trial and value, at each that is better, and at the last one. */
export function bestSoFar(shown: Study): [number, number][] {
  const front: [number, number][] = [];
  let best = NaN;
  shown.trials.forEach((trial, place) => {
    const value = shown.losses[place] ?? NaN;
    if (Number.isNaN(value) || trial.feasible === false) return;
    if (Number.isNaN(best) || better(shown, value, best)) {
      best = value;
      front.push([trial.number, best]);
    }
  });
  const last = shown.trials[shown.trials.length - 1];
  if (front.length && last) front.push([last.number, best]);
  return front;
}

/** Places of the trials that have a value, the worst first. */
export const ranked = once((shown: Study): readonly number[] => {
  const sign = shown.objective.maximize ? 1 : -1;
  return valued(shown).toSorted((a, b) => sign * ((shown.losses[a] ?? 0) - (shown.losses[b] ?? 0)));
});

/** Places of the trials that have a value. */
export const valued = once((shown: Study): readonly number[] =>
  shown.trials.map((_, place) => place).filter((place) => Number.isFinite(shown.losses[place])));

/** The objective of the trials that have a value. */
export const finite = once((shown: Study): readonly number[] => [...shown.losses].filter(Number.isFinite));

/** A parameter of a trial as a place on an axis: of a category its index; NaN where it has none. */
export function coordinate(sent: Pick<Everything, "parameters">, trial: Trial, parameter: number): number {
  const declared = sent.parameters[parameter];
  const text = trial.values[parameter];
  return declared && text !== null && text !== undefined ? position(declared, text) : NaN;
}

const columns = once((_: readonly Trial[]): Float64Array[] => []);

/** `coordinate` of all trials, by their place; computed once for all views. */
export function column(shown: Pick<Everything, "parameters" | "trials">, parameter: number): Float64Array {
  return (columns(shown.trials)[parameter] ??= Float64Array.from(shown.trials, (trial) => coordinate(shown, trial, parameter)));
}

/** A text as a place on the axis of a parameter; NaN where it has none. */
export function position(declared: Parameter, text: string): number {
  if (declared.type !== "categorical") return numberOf(text);
  const index = (declared.list ?? []).indexOf(text);
  return index < 0 ? NaN : index;
}

/** Axes reach so far from 0 at most: the difference of two ends is a number too. */
export const FAR = 1e307;

export const drawable = (value: number): boolean => Math.abs(value) <= FAR;

/** What is said of trials that lack a place on a chart. */
export function leftOut(count: number, why: string): string {
  return count ? `${count} ${count === 1 ? "trial is" : "trials are"} not drawn: ${why}.` : "";
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

/** At most `most` of some places, evenly and in their order; those in `first` are kept as far as there is room. */
export function sampled(places: readonly number[], most: number, first: ReadonlySet<number> | null = null): number[] {
  if (places.length <= most) return [...places];
  const wanted = first ? places.filter((place) => first.has(place)) : [];
  const others = first ? places.filter((place) => !first.has(place)) : places;
  const evenly = (of: readonly number[], count: number) =>
    of.length <= count ? of : Array.from({ length: count }, (_, i) => of[Math.floor((i * of.length) / count)] ?? 0);
  const some = evenly(wanted, Math.ceil(most * 0.8));
  const kept = new Set([...some, ...evenly(others, most - some.length)]);
  return places.filter((place) => kept.has(place));
}

/** Spearman's rank correlation; NaN if one of them does not vary, or of fewer than three pairs. */
export function rankCorrelation(a: readonly number[], b: readonly number[]): number {
  if (a.length < 3) return NaN;
  return pearson(ranks(a), ranks(b));
}

/** The rank correlations of columns, by row and column; of each two, where both have a value. */
export function rankCorrelations(columns: readonly (readonly number[])[]): number[][] {
  const whole = columns.map((column) => (column.every(Number.isFinite) ? ranks(column) : null));
  const found = columns.map(() => new Array<number>(columns.length).fill(NaN));
  columns.forEach((a, i) => columns.slice(0, i + 1).forEach((b, j) => {
    const [x, y] = [whole[i], whole[j]];
    let value: number;
    if (x && y) value = x.length < 3 ? NaN : pearson(x, y);
    else {
      const both = a.map((_, row) => row).filter((row) => Number.isFinite(a[row]) && Number.isFinite(b[row]));
      value = rankCorrelation(both.map((row) => a[row] ?? 0), both.map((row) => b[row] ?? 0));
    }
    for (const [row, column] of [[i, j], [j, i]] as const) (found[row] ?? [])[column] = value;
  }));
  return found;
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
