/** Views that are made one after the other, so that the first of them are there at once. */

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { forget, soon } from "./turns";

/**
 * Makes its children when those before it are there. If they are `costly`, they change only while they are near the
 * window: else each report of a running experiment would compute all views again.
 */
export function Later({ costly, children }: { costly: boolean; children: ComponentChildren }) {
  const place = useRef<HTMLDivElement>(null);
  const [due, setDue] = useState(false);
  const [near, setNear] = useState(false);
  const made = useRef<ComponentChildren>(null);
  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const eyes = new IntersectionObserver((entries) => setNear(entries.some((entry) => entry.isIntersecting)), { rootMargin: "200px" });
    eyes.observe(element);
    soon(eyes, () => setDue(true));
    return () => { forget(eyes); eyes.disconnect(); };
  }, []);
  if (due && (near || !costly || made.current === null)) made.current = children;
  return <div ref={place}>{due ? made.current : <p class="empty later">Drawing…</p>}</div>;
}
