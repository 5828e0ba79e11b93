/** What each kind of memory is called, and its colour: the classes from green to violet, the rest in colours of their own. */

import { size } from "./text";

/** The kinds, as the decoder numbers them (`decoder/src/map.rs`). From `SLAB` on they are size classes. */
export const FREE = 1;
export const LONG = 5;
export const SLAB = 6;

/** Size classes, from slots of 16 bytes to slots of 8 KiB. */
const CLASSES = 32;

const NAMES = ["not the heap's", "free", "the heap's own data", "held by checked mode", "unknown", "long block"];

/** Hue and chroma of those that are no classes. */
const TONES: [number, number][] = [[250, 0.01], [250, 0.01], [90, 0.13], [340, 0.15], [25, 0.2], [55, 0.15]];

export interface Colours {
  isDark: boolean;
  ink: string;
  muted: string;
  line: string;
  accent: string;
  danger: string;
  /** For each kind the colour of what is in use, and of the rest. */
  used: string[];
  rest: string[];
}

export function colours(isDark: boolean): Colours {
  const kinds = Array.from({ length: SLAB + CLASSES }, (_, kind) => kind);
  return {
    isDark,
    ink: isDark ? "#e6edf3" : "#1f2328",
    muted: isDark ? "#a4adb8" : "#57606a",
    line: isDark ? "#3a424c" : "#d0d7de",
    accent: isDark ? "#6aa0ff" : "#0a58ca",
    danger: isDark ? "#ff8a80" : "#b3261e",
    used: kinds.map((kind) => tone(kind, isDark ? 0.52 : 0.74, 1)),
    rest: kinds.map((kind) => tone(kind, isDark ? 0.3 : 0.93, 0.3)),
  };
}

function tone(kind: number, lightness: number, strength: number): string {
  const [hue, chroma] = TONES[kind] ?? [145 + ((kind - SLAB) / (CLASSES - 1)) * 165, 0.13];
  return `oklch(${lightness} ${chroma * strength} ${hue})`;
}

/** The bytes of a slot of a class: powers of two, and three equal steps between each and the next. */
function slotSize(kind: number): number {
  const step = kind - SLAB + 1;
  return (step < 8 ? step : (4 | (step & 3)) << ((step >> 2) - 1)) * 16;
}

export function kindName(kind: number): string {
  return NAMES[kind] ?? `slots of ${size(slotSize(kind))}`;
}

/** The kinds that stand in the legend: of the classes one for each doubling. */
export const LEGEND = [6, 7, 9, 13, 17, 21, 25, 29, 33, 37, 5, 1, 2, 3, 4, 0];
