/** What the tests have in common: the page from its file, and its parts by the names that a screen reader says. */

import { test as base, expect, type Locator, type Page } from "@playwright/test";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const target = process.env["CARGO_TARGET_DIR"] ?? join(import.meta.dirname, "../../../target");

/** A command of WASI that does with its heap what its argument says. */
export const GUEST = join(target, "wasm32-wasip1/release/guest-cli.wasm");

const URL = pathToFileURL(join(target, "page/index.html")).href;

/** The page, open. It must say nothing on the console, and fetch nothing but itself and its workers. */
export const test = base.extend<{ page: Page }>({
  page: async ({ page }, use) => {
    const wrong: string[] = [];
    page.on("console", (message) => wrong.push(message.text()));
    page.on("pageerror", (error) => wrong.push(String(error)));
    page.on("request", (request) => {
      if (request.url() !== URL && !request.url().startsWith("blob:")) {
        wrong.push(request.url());
      }
    });
    await page.goto(URL);
    await use(page);
    expect(wrong).toEqual([]);
  },
});

export { expect };

export const status = (page: Page): Locator => page.getByRole("status");
export const alert = (page: Page): Locator => page.getByRole("alert");
export const map = (page: Page): Locator => page.getByRole("listbox", { name: "Map of" });
export const slots = (page: Page): Locator => page.getByRole("listbox", { name: "Slots of" });

/** Opens a file, or bytes as one. */
export async function open(page: Page, file: string | Uint8Array): Promise<void> {
  const input = page.getByLabel("A guest (.wasm) or a snapshot");
  const files = typeof file === "string" ? file : { name: "a file", mimeType: "", buffer: Buffer.from(file) };
  await input.setInputFiles(files);
}

/** Runs a demo to a step, and leaves it paused there. */
export async function runTo(page: Page, demo: string, step: number): Promise<void> {
  await page.getByLabel("Begin paused").check();
  await page.getByRole("button", { name: demo }).click();
  await expect(page.getByText("Moment: step 0, the last")).toBeVisible();
  for (let now = 1; now <= step; now += 1) {
    await makeStep(page, now);
  }
}

/** Makes a step, which is this one. */
export async function makeStep(page: Page, step: number): Promise<void> {
  await page.getByRole("button", { name: "Step", exact: true }).click();
  await expect(page.getByText(`Moment: step ${step}, the last`)).toBeVisible();
}

/** A snapshot of a heap of so many pages, each with 16 slabs of 63 slots of 64 bytes: the format of docs/snapshot.md. */
export function snapshot(pages: number): Uint8Array {
  const slabs = pages * 16;
  const head = 40;
  const slab = 4 + 2 + 1 + 1 + 8 + 8 + 2 * 2;
  const view = new DataView(new ArrayBuffer(head + slabs * slab));
  new Uint8Array(view.buffer).set(new TextEncoder().encode("pageslab"));
  view.setUint16(8, 1, true);
  view.setUint8(11, 10);
  for (const [place, number] of [pages, pages, pages, 1, 0, 0, slabs].entries()) {
    view.setUint32(12 + 4 * place, number, true);
  }
  for (let at = head; at < view.byteLength; at += slab) {
    view.setUint32(at, (4 << 4) | 3, true);
    view.setUint16(at + 4, 64, true);
    view.setUint8(at + 6, 3);
    view.setUint8(at + 7, 63);
    // Slots 0 and 62 are live, the others free.
    view.setBigUint64(at + 8, (1n << 62n) | 1n, true);
    view.setBigUint64(at + 16, ((1n << 62n) - 1n) & ~1n, true);
    view.setUint16(at + 24, 50, true);
    view.setUint16(at + 26, 64, true);
  }
  return new Uint8Array(view.buffer);
}
