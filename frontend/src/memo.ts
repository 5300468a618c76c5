/** What is computed once and kept, for as long as what it was computed of. */

/** `make`, which computes once for each object. */
export function once<Of extends object, T>(make: (of: Of) => T): (of: Of) => T {
  const known = new WeakMap<Of, { made: T }>();
  return (of) => {
    let entry = known.get(of);
    if (!entry) known.set(of, (entry = { made: make(of) }));
    return entry.made;
  };
}

/** `make`, which does not compute again while it is called with the same two objects. */
export function latest<A, B, T>(make: (a: A, b: B) => T): (a: A, b: B) => T {
  let known: { a: A; b: B; made: T } | null = null;
  return (a, b) => {
    if (known?.a !== a || known.b !== b) known = { a, b, made: make(a, b) };
    return known.made;
  };
}
