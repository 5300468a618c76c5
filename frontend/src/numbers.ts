/** Numbers and times for people. The exact text stays beside them, as a title or in a file. */

const WHOLE = /^[+-]?\d+$/;
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** A number with at most `digits` significant digits. */
export function brief(value: number, digits = 5): string {
  if (!Number.isFinite(value)) return String(value);
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-4) {
    return value.toExponential(digits - 1).replace(/\.?0+e/, "e").replace("e+", "e");
  }
  return String(Number(value.toPrecision(digits)));
}

/** A text with five significant digits if it is a number with a fraction; else as it is. */
export function short(text: string): string {
  const trimmed = text.trim();
  if (WHOLE.test(trimmed) || !NUMBER.test(trimmed)) return text;
  const value = Number(trimmed);
  // 1e999 and 1e-999 are numbers that a browser has no other text for.
  const kept = Number.isFinite(value) && (value !== 0 || !/[1-9]/.test(trimmed.replace(/e.*/i, "")));
  return kept ? brief(value) : text;
}

/** The finite number that a text holds; NaN if there is none. */
export function numberOf(text: string | null | undefined): number {
  if (text === null || text === undefined || !NUMBER.test(text.trim())) return NaN;
  const value = Number(text);
  return Number.isFinite(value) ? value : NaN;
}

/** Less than 0 if the number in `a` is less than that in `b`, 0 if they are equal; NaN if one is none. Whole ones are exact. */
export function compared(a: string, b: string): number {
  const [x, y] = [numberOf(a), numberOf(b)];
  // Beyond 2^53 several whole numbers are one floating-point number.
  if (x !== y || Number.isSafeInteger(x) || !WHOLE.test(a.trim()) || !WHOLE.test(b.trim())) return x - y;
  const [one, other] = [BigInt(a), BigInt(b)];
  return one < other ? -1 : one > other ? 1 : 0;
}

export function duration(seconds: number): string {
  const whole = Math.max(Math.round(seconds), 0);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  if (h >= 48) return `${Math.floor(h / 24)} d ${h % 24} h`;
  if (h) return `${h} h ${String(m).padStart(2, "0")} min`;
  if (m) return `${m} min ${String(s).padStart(2, "0")} s`;
  return seconds < 10 && seconds > 0 ? `${brief(seconds, 2)} s` : `${s} s`;
}

export function seconds(begin: string, end: string): number {
  return begin && end ? (Date.parse(end) - Date.parse(begin)) / 1000 : NaN;
}

export function age(date: number): string {
  return `${duration((Date.now() - date) / 1000)} ago`;
}

export function bytes(size: number): string {
  if (size < 1000) return `${size} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let unit = -1;
  do {
    size /= 1000;
    unit++;
  } while (size >= 1000 && unit < units.length - 1);
  return `${brief(size, 3)} ${units[unit] ?? ""}`;
}

/** A text of a user in one line of at most `longest` characters. */
export function clip(text: string, longest = 40): string {
  const line = text.replace(/\s+/g, " ");
  return line.length <= longest ? line : `${line.slice(0, longest - 1)}…`;
}
