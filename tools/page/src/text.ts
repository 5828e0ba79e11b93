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

/** The same where there is little room: `1.5M`; up to four digits as they are. */
export function shortSize(bytes: number): string {
  let unit = 0;
  while (bytes >= (unit === 0 ? 10_000 : 1000) && unit < UNITS.length - 1) {
    bytes /= 1024;
    unit += 1;
  }
  const digits = bytes < 10 && !Number.isInteger(bytes) ? 1 : 0;
  return `${bytes.toFixed(digits)}${["", "K", "M", "G"][unit]}`;
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
