/** What the page computes, without a browser: `npm test`. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { columns, filter, sorted } from "../src/columns";
import { placed } from "../src/charts/ends";
import { inside } from "../src/charts/points";
import { band, groups, shared } from "../src/groups";
import { brief, numberOf, short } from "../src/numbers";
import { rows } from "../src/rows";
import { type Study, after, bestSoFar, coordinate, rankCorrelation, rankCorrelations, sampled, study } from "../src/study";
import { CELLS, surface } from "../src/surface";
import type { Everything, Parameter, Trial } from "../src/types";

const LR: Parameter = { name: "lr", type: "double", list: null, log: true, min: 1e-3, max: 1, step: null };

function kind(...list: string[]): Parameter {
  return { name: "kind", type: "categorical", list, log: false, min: null, max: null, step: null };
}

function trial(number: number, metric: string, values: (string | null)[] = ["0.1"], more: Partial<Trial> = {}): Trial {
  return {
    number, name: `t-${number}`, condition: metric ? "Succeeded" : "Failed", reason: "", attempt: 1, slot: null, started: "", completed: "",
    metrics: [metric], reports: 2, values, labels: {}, rules: [], violations: [], feasible: metric ? true : null, ...more,
  };
}

function everything(trials: Trial[], more: Partial<Everything> = {}): Everything {
  return {
    name: "one", place: "runs/one", digest: "a", algorithm: { name: "tpe", settings: {} }, earlyStopping: null,
    objective: { metric: "loss", maximize: false, goal: null, metrics: ["loss"], objectives: [{ metric: "loss", maximize: false }], constraints: [] }, parameters: [LR], changed: [], file: "",
    condition: { type: "Running", reason: "", message: "" }, limits: { parallel: 1, trials: null, failures: null },
    started: "", completed: "", runs: true, paused: false, command: "", trials, curves: {}, curvesLeftOut: 0, best: null, front: null, ...more,
  };
}

const run = (losses: number[], more: Partial<Everything> = {}): Study =>
  study(everything(losses.map((loss, n) => trial(n, String(loss))), more));

test("experiments are repeats of each other if their files are", () => {
  const made = groups([run([1]), run([2], { name: "two" }), run([3], { name: "three", digest: "b" })]);
  assert.deepEqual(made.map((group) => [group.name, group.studies.length]), [["tpe (2 runs)", 2], ["three: tpe", 1]]);
});

test("a band ends with the shortest run", () => {
  const rows = band({ name: "", studies: [run([5, 4, 3, 2, 1]), run([9, 6])] });
  assert.deepEqual(rows, [[0, 5, 7, 9], [1, 4, 5, 6]]);
  assert.deepEqual(band({ name: "", studies: [run([1, 2]), run([])] }), []);
});

test("shared categories are those of all lists", () => {
  const one = run([1], { parameters: [kind("a", "b"), LR] });
  const two = run([1], { parameters: [{ ...LR, max: 10 }, kind("c", "a")] });
  const found = shared([one, two]);
  assert.deepEqual(found.map((parameter) => [parameter.name, parameter.list, parameter.max]), [["kind", ["a", "b", "c"], null], ["lr", null, 10]]);
});

test("an unknown category has no place", () => {
  const sent = everything([trial(0, "1", ["z"])], { parameters: [kind("a")] });
  assert.ok(Number.isNaN(coordinate(sent, sent.trials[0] as Trial, 0)));
});

test("a sample keeps the order, and what is selected", () => {
  const places = Array.from({ length: 100 }, (_, n) => 99 - n);
  const found = sampled(places, 10, new Set([50, 3]));
  assert.equal(found.length, 10);
  assert.deepEqual(found, [...found].sort((a, b) => b - a));
  assert.ok(found.includes(50) && found.includes(3));
});

test("a curve that does not count any more goes", () => {
  const known = everything([trial(0, "1"), trial(1, "1")], { curves: { 0: [[1, 2], [2, 1]], 1: [[1, 3]] } });
  const now = after(known, { ...known, trials: [], curves: { 0: [], 1: [[1, 3], [2, 2]] } });
  assert.deepEqual(now.curves, { 1: [[1, 3], [2, 2]] });
});

test("what is declared is told again once it has changed", () => {
  const known = everything([trial(0, "1")]);
  const { name, trials: _, ...rest } = everything([], { file: "maxTrialCount: 9", limits: { parallel: 1, trials: 9, failures: null } });
  const now = after(known, { ...rest, trials: [] });
  assert.deepEqual([now.name, now.file, now.trials.length], [name, "maxTrialCount: 9", 1]);
});

test("a rectangle selects trials alone, and only those in it", () => {
  const chart = (series: object[], round: (at: number) => number) => ({
    // A hundred pixels for one; up is down.
    convertFromPixel: (_: object, [x = NaN, y = NaN]: number[]) => [round(x / 100), 5 - y / 100],
    convertToPixel: (_: object, [x = NaN, y = NaN]: number[]) => [100 * x, 100 * (5 - y)],
    getOption: () => ({ series }),
  });
  const points = [[0, 0, 3], { value: [1, 1, 4] }, [2, 2, 5], [1, 3, -1]];
  const series = [
    { type: "scatter", data: points },
    { type: "line", data: [[0, 0], [1, 1], [2, 2]] },
    { type: "custom", data: [[0, 0, 0.25]] },
    { type: "scatter", yAxisIndex: 1, data: [[1, 1, 6]] },
  ];
  const numbers = chart(series, (at) => at);
  assert.deepEqual(inside(numbers, [[0, 150], [500, 350]]), [3, 4]);
  assert.deepEqual(inside(numbers, [[150, 0], [350, 500]]), [3, 4]);
  const categories = chart(series, Math.round);
  assert.deepEqual(inside(categories, [[60, 140], [0, 500]]), [4]);
  assert.deepEqual(inside(categories, [[40, 149], [0, 500]]), [4]);
  assert.deepEqual(inside(categories, [[10, 90], [0, 500]]), []);
  assert.deepEqual(inside(categories, [[110, 120], [0, 500]]), []);
  assert.deepEqual(inside(categories, [[0, 200], [0, 500]]), [3, 4, 5]);
});

test("a surface is the mean of what is near, and blank where nothing is", () => {
  const points = Array.from({ length: 400 }, (_, n): [number, number, number] => {
    const [x, y] = [(n % 20) / 40, Math.floor(n / 20) / 20];
    return [x, y, 3 * x];
  });
  const found = surface(points);
  if (!found) throw new Error("no surface");
  assert.ok(found.min >= 0 && found.max <= 1.5 && found.max - found.min > 1);
  const [lowest, highest] = [found.levels[0], found.levels[found.levels.length - 1]];
  const across = (level: typeof lowest) => (level?.rings ?? []).flat().map(([x]) => x / CELLS);
  // No trial has x above a half; the highest level lies to the right.
  assert.ok(Math.max(...across(lowest)) < 0.75);
  assert.ok(Math.min(...across(highest)) > 0.3);
  assert.equal(surface(points.slice(0, 2)), null);
});

test("a surface without a slope is one level", () => {
  const found = surface([[0.1, 0.1, 2], [0.5, 0.5, 2], [0.9, 0.9, 2]]);
  assert.deepEqual([found?.min, found?.max, found?.levels.length], [2, 2, 1]);
});

test("an infeasible trial is never the best so far", () => {
  const shown = study(everything([trial(0, "5"), trial(1, "1", ["0.1"], { feasible: false }), trial(2, "4")], { best: 2 }));
  assert.deepEqual(bestSoFar(shown), [[0, 5], [2, 4], [2, 4]]);
  assert.equal(shown.best?.number, 2);
});

test("two trials have no correlation", () => {
  assert.ok(Number.isNaN(rankCorrelation([1, 2], [1, 2])));
  assert.equal(rankCorrelation([1, 2, 3], [1, 4, 9]), 1);
});

test("the correlation of two columns is that of the rows that both have", () => {
  const [a, b, c] = [[1, 2, 3, 4], [4, 3, 2, 1], [1, NaN, 2, 9]];
  assert.deepEqual(rankCorrelations([a, b, c]), [[1, -1, 1], [-1, 1, -1], [1, -1, 1]]);
});

test("trials that overlap are in rows of their own, as few as can be", () => {
  const at = (second: number) => new Date(second * 1000).toISOString();
  const times: [number, number][] = [[0, 4], [1, 2], [2, 2], [2, 5], [4, 6], [9, 9]];
  const shown = study(everything(times.map(([begin, end], n) => trial(n, "1", ["0.1"], { started: at(begin), completed: at(end) }))));
  const bars = rows(shown, 0);
  assert.equal(new Set(bars.map((bar) => bar.slot)).size, 2);
  for (const one of bars) for (const other of bars)
    if (one.number < other.number && one.slot === other.slot) assert.ok(one.end <= other.begin || other.end <= one.begin);
});

test("numbers that a browser has not", () => {
  assert.ok(Number.isNaN(numberOf("1e999")));
  assert.equal(short("1e999"), "1e999");
  assert.equal(short("1.5e-999"), "1.5e-999");
  assert.equal(short("0.0e-999"), "0");
  assert.equal(short("0.123456789"), "0.12346");
  assert.equal(brief(1234567), "1.2346e6");
});

test("columns of the same name", () => {
  const shown = study(everything([trial(0, "1", ["warm"]), trial(1, "", ["cold"])], { parameters: [{ ...kind("warm", "cold"), name: "condition" }] }));
  const known = columns(shown);
  assert.equal(new Set(known.map((column) => column.key)).size, known.length);
  const found = (search: string) => shown.trials.filter(filter(known, search)).map((one) => one.number);
  assert.deepEqual(found("condition=Failed"), [1]);
  assert.deepEqual(found("condition=warm"), [0]);
  assert.deepEqual(found("condition!=warm condition!=Failed"), []);
});

test("numbers are sorted by value, before texts; what is empty is last", () => {
  const shown = study(everything(["10", "x", "", "9"].map((text, n) => trial(n, "1", [text]))));
  const column = columns(shown).find((one) => one.name === "lr");
  if (column) assert.deepEqual([true, false].map((down) => sorted(shown.trials, column, down).map((one) => one.number)), [[0, 3, 1, 2], [3, 0, 1, 2]]);
});

test("a search has spaces and signs in quotes, and compares what is quoted as text", () => {
  const values = ["a b", "a", "b a", 'say "hi"', "x=1", "1.0", "1"];
  const shown = study(everything(values.map((text, n) => trial(n, "1", [text], { condition: n ? "Succeeded" : "Failed" })), { parameters: [{ ...kind(...values), name: "my kind" }] }));
  const found = (search: string) => shown.trials.filter(filter(columns(shown), search)).map((one) => one.number);
  assert.deepEqual(found('"my kind"="a b"'), [0]);
  assert.deepEqual(found('"my kind"!="a b" condition=Failed'), []);
  assert.deepEqual(found('"a b"'), [0]);
  assert.deepEqual(found("b a"), [0, 2]);
  assert.deepEqual(found('"my kind"="say \\"hi\\""'), [3]);
  assert.deepEqual(found('"x=1"'), [4]);
  assert.deepEqual(found('"my kind"="1"'), [6]);
  assert.deepEqual(found('"my kind"=1'), [5, 6]);
  // While it is typed, the last quote is not there yet.
  assert.deepEqual(found('"my kind"="a b'), [0]);
});

test("whole numbers are compared exactly, however large", () => {
  const values = ["9007199254740993", "9007199254740992", "-9007199254740993", "1e3", "1000"];
  const shown = study(everything(values.map((text, n) => trial(n, "1", [text]))));
  const found = (search: string) => shown.trials.filter(filter(columns(shown), search)).map((one) => one.number);
  assert.deepEqual(found("lr=9007199254740993"), [0]);
  assert.deepEqual(found("lr>9007199254740992"), [0]);
  assert.deepEqual(found("lr<=9007199254740992"), [1, 2, 3, 4]);
  assert.deepEqual(found("lr=1000"), [3, 4]);
  const column = columns(shown).find((one) => one.name === "lr");
  if (column) assert.deepEqual(sorted(shown.trials, column, true).map((one) => one.number), [0, 1, 3, 4, 2]);
});

test("an inactive parameter is drawn beside all values of its axis", () => {
  const of = (parameters: Parameter[], ...values: (string | null)[][]): Study =>
    study(everything(values.map((texts, n) => trial(n, "1", texts)), { parameters }));
  const linear = { ...LR, log: false };
  const some = of([linear, LR, kind("a", "b")], ["0.1", "0.1", "a"], [null, null, null]);
  const [first, second, third] = [placed(some, 0), placed(some, 1), placed(some, 2)];
  assert.ok(first.none < 1e-3 && first.axis["min"] === first.none && first.least === 1e-3);
  assert.ok(second.none > 0 && second.none < 1e-3 && second.axis["type"] === "log");
  assert.deepEqual([third.none, third.axis["data"]], [2, ["a", "b", "inactive"]]);
  const all = of([linear], ["0.1"], ["0.2"]);
  assert.ok(Number.isNaN(placed(all, 0).none));
  assert.equal(placed(all, 0).axis["min"], 1e-3);
});
