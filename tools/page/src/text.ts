/** Numbers as the page writes them. */

const UNITS = ["bytes", "KiB", "MiB", "GiB"];

/** `1.50 MiB`: three digits, as in the terminal. */
export function size(bytes: number): string {
  let unit = 0;
  while (bytes >= 1024 && unit < UNITS.length - 1) {
    bytes /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || bytes >= 100 ? 0 : bytes >= 10 ? 1 : 2;
  return `${bytes.toFixed(digits)} ${UNITS[unit]}`;
}

/** The same where there is little room: `1.5K`. */
export function shortSize(bytes: number): string {
  return bytes < 10_000 ? String(bytes) : bytes < 1 << 20 ? `${Math.round(bytes / 1024)}K` : `${Math.round(bytes / (1 << 20))}M`;
}

export function percent(part: number): string {
  return `${Math.round(part * 100)}%`;
}

export function hex(address: number): string {
  return `0x${address.toString(16)}`;
}

export function count(number: number, what: string): string {
  return `${number.toLocaleString("en")} ${what}${number === 1 ? "" : "s"}`;
}
