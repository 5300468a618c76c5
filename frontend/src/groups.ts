/** Experiments side by side: which of them repeat each other, and what they share. */

import { type Study, bestSoFar } from "./study";
import type { Parameter } from "./types";

/** Experiments whose files differ in name, seed and length alone. */
export interface Group {
  name: string;
  studies: Study[];
}

export function groups(studies: readonly Study[]): Group[] {
  const made = new Map<string, Study[]>();
  for (const shown of studies) made.set(shown.digest, [...(made.get(shown.digest) ?? []), shown]);
  return [...made.values()].map((of) => {
    const [first] = of;
    const { random_state: _, ...settings } = first?.algorithm.settings ?? {};
    const words = Object.entries(settings).sort().map(([name, value]) => `${name}=${value}`);
    const method = [first?.algorithm.name ?? "", ...words].join(" ");
    return { name: of.length === 1 ? `${first?.name}: ${method}` : `${method} (${of.length} runs)`, studies: of };
  });
}

/** Number of a trial; least, median and greatest best value so far over the runs of a group. */
export type Row = [number, number, number, number];

/**
 * The band of a group, over the trials that all of its runs have: from the first with a value in each run,
 * else it would jump where one begins, to the last trial of the shortest run, behind which nothing is known of it.
 */
export function band(group: Group): Row[] {
  const fronts = group.studies.map(bestSoFar);
  if (fronts.some((front) => !front.length)) return [];
  const begin = Math.max(...fronts.map((front) => front[0]?.[0] ?? 0));
  const end = Math.min(...fronts.map((front) => front[front.length - 1]?.[0] ?? 0));
  const steps = new Set([...fronts.flatMap((front) => front.map(([step]) => step)), end]);
  return [...steps].filter((step) => begin <= step && step <= end).sort((a, b) => a - b).map((step) => {
    const values = fronts.map((front) => front.findLast(([at]) => at <= step)?.[1] ?? NaN).sort((a, b) => a - b);
    const middle = ((values[Math.floor((values.length - 1) / 2)] ?? NaN) + (values[Math.ceil((values.length - 1) / 2)] ?? NaN)) / 2;
    return [step, values[0] ?? NaN, middle, values[values.length - 1] ?? NaN];
  });
}

/** The parameters that all experiments have, each with a range or a list that holds those of all. */
export function shared(studies: readonly Study[]): Parameter[] {
  return (studies[0]?.parameters ?? []).flatMap((first) => {
    const all = studies.map((shown) => shown.parameters.find((other) => other.name === first.name && other.type === first.type));
    const known = all.filter((parameter) => parameter !== undefined);
    if (known.length < all.length) return [];
    const least = (of: (number | null)[], pick: (...values: number[]) => number) =>
      of.some((value) => value === null) ? null : pick(...of.map((value) => value ?? 0));
    return [{
      ...first,
      log: known.every((parameter) => parameter.log),
      list: first.list && [...new Set(known.flatMap((parameter) => parameter.list ?? []))],
      min: least(known.map((parameter) => parameter.min), Math.min),
      max: least(known.map((parameter) => parameter.max), Math.max),
    }];
  });
}
