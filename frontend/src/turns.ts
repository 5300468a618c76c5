/** Work that is done piece by piece: between two of them the browser answers its user. */

const waiting = new Map<object, () => void>();

function next(): void {
  for (const [key, work] of waiting) {
    waiting.delete(key);
    work();
    break;
  }
  if (waiting.size) window.setTimeout(next);
}

/** Does `work` in its turn, in place of what waits under the same key. */
export function soon(key: object, work: () => void): void {
  if (!waiting.size) window.setTimeout(next);
  waiting.set(key, work);
}

/** Does not do what waits under this key. */
export function forget(key: object): void {
  waiting.delete(key);
}
