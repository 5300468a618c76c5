/** Where the axis of a parameter ends. */

import { clip } from "../numbers";
import { FAR, type Study, column, extent, valued } from "../study";
import type { Parameter } from "../types";
import type { Option } from "./chart";

/** Where a trial without a value for a parameter is drawn: this share of the axis below its least value. */
const BELOW = 0.1;
export const INACTIVE = "inactive";

/** Ends that an axis can have. */
export function clamped(min: number, max: number): { min: number; max: number } {
  return min < FAR && max > -FAR ? { min: Math.max(min, -FAR), max: Math.min(max, FAR) } : { min: -FAR, max: FAR };
}

export function ends(declared: Parameter, values: number[]): Option {
  if (declared.type === "categorical") {
    return { type: "category", data: (declared.list ?? []).map((text) => clip(text, 14)) };
  }
  const found = extent(values.filter(Number.isFinite), declared.log);
  const least = declared.min !== null && declared.min <= found.min ? declared.min : found.min;
  const most = declared.max !== null && declared.max >= found.max ? declared.max : found.max;
  const log = found.log && least > 0;
  const { min, max } = log ? { min: least, max: most } : clamped(least, most);
  const whole = declared.type === "int" && !log ? { minInterval: 1 } : {};
  return { type: log ? "log" : "value", min, max: max > min ? max : min + 1, ...whole };
}

/** The axis of a parameter, and where on it a trial is drawn that has no value for it: beside all values. */
export function placed(shown: Study, i: number): { axis: Option; none: number; least: number } {
  const declared = shown.parameters[i];
  if (!declared) return { axis: {}, none: NaN, least: NaN };
  const values = valued(shown).map((place) => column(shown, i)[place] ?? NaN);
  const axis = ends(declared, values);
  const least = Number(axis["min"] ?? 0);
  if (!values.some(Number.isNaN)) return { axis, none: NaN, least };
  if (axis["type"] === "category") {
    const data = axis["data"] as string[];
    return { axis: { ...axis, data: [...data, INACTIVE] }, none: data.length, least };
  }
  const most = Number(axis["max"]);
  const none = axis["type"] === "log" ? least / (most / least) ** BELOW : least - BELOW * (most - least);
  return { axis: { ...axis, min: none }, none, least };
}
