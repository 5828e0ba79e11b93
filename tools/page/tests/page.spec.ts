/** What a user does with the page. Nothing here waits for a time: guests are paused, and make one step after the other. */

import { alert, expect, GUEST, makeStep, map, open, runTo, slots, snapshot, status, test } from "./page";
import { readFile } from "node:fs/promises";

test("a demo runs, is paused, and makes one step at a time", async ({ page }) => {
  await runTo(page, "Steady", 3);
  await expect(status(page)).toHaveText("the demo “steady”: The guest is paused.");
  const moment = page.getByRole("slider", { name: "Moment" });
  await expect(moment).toHaveAttribute("aria-valuetext", /^step 3: .* live, .* of memory$/);
  await page.getByRole("button", { name: "Go on" }).click();
  await expect(moment).toHaveAttribute("aria-valuetext", /^step ([4-9]|\d\d)/);
  await page.getByRole("button", { name: "Stop" }).click();
  await expect(status(page)).toContainText("You have stopped the guest.");
  await expect(page.getByRole("button", { name: "Pause" })).toHaveCount(0);
});

test("the timeline goes back to an earlier moment", async ({ page }) => {
  await runTo(page, "Leak", 4);
  const live = page.locator("dl").getByText(/blocks$/);
  const last = await live.innerText();
  const moment = page.getByRole("slider", { name: "Moment" });
  await moment.press("Home");
  await expect(moment).toHaveAttribute("aria-valuetext", /^step 0: /);
  await expect(live).not.toHaveText(last);
  await moment.press("End");
  await expect(live).toHaveText(last);
  // A click in the chart does the same.
  await page.locator(".u-over").click({ position: { x: 2, y: 20 } });
  await expect(moment).toHaveAttribute("aria-valuetext", /^step 0: /);
});

test("a page that is opened shows its slots and the length in each", async ({ page }) => {
  await open(page, snapshot(3));
  await expect(status(page)).toHaveText("a file: This is a snapshot.");
  // The second page: cells are 22 pixels, and 2 apart.
  await map(page).click({ position: { x: 35, y: 10 } });
  await expect(page.getByRole("heading", { name: "Page 1 at 0x10000" })).toBeVisible();
  await expect(slots(page).getByRole("option")).toHaveText("0x10000: slot of 64 bytes, 50 bytes live");
  await expect(slots(page).getByRole("option")).toHaveAttribute("aria-setsize", String(16 * 63));
  const rows = page.getByRole("table").getByRole("row");
  await expect(rows).toHaveCount(1 + 16);
  await expect(rows.nth(2)).toHaveText("0x11000slots of 64 bytes2 of 6350 64");
  await page.getByRole("button", { name: "Back to the map" }).click();
  await expect(map(page)).toBeFocused();
});

test("a page of a guest that runs follows it", async ({ page }) => {
  await runTo(page, "Leak", 2);
  await map(page).press("Enter");
  await expect(slots(page)).toBeFocused();
  const table = page.getByRole("table");
  await expect(table).toContainText(/slots of|long block|the heap's own data/);
  const before = (await table.textContent()) ?? "";
  await makeStep(page, 3);
  await expect(table).not.toHaveText(before);
  await page.getByRole("slider", { name: "Moment" }).press("ArrowLeft");
  await expect(table).toHaveText(before);
});

test("a misuse is told as it is caught, with its report", async ({ page }) => {
  await runTo(page, "Misuse", 19);
  await expect(alert(page)).toBeEmpty();
  await makeStep(page, 20);
  await expect(alert(page)).toContainText("Misuse caught");
  await expect(alert(page)).toContainText(/the allocation at 0x[0-9a-f]+ \(length given: 72\) was freed before/);
  await expect(alert(page)).toContainText("allocated by tag 1, freed by tag 2");
  await expect(status(page)).toContainText("It has trapped");
});

test("a snapshot that is saved is the heap again when it is opened", async ({ page }) => {
  await runTo(page, "Steady", 4);
  const figures = await page.locator("dl").innerText();
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "Save a snapshot" }).click();
  const file = await readFile(await (await download).path());
  await open(page, file);
  await expect(status(page)).toHaveText("a file: This is a snapshot.");
  await expect(page.locator("dl")).toHaveText(figures.replaceAll("\n", ""), { useInnerText: false });
});

test("a file that is rubbish is refused with a reason", async ({ page }) => {
  const whole = snapshot(2);
  const later = snapshot(2);
  later[8] = 9;
  const wrong = snapshot(2);
  wrong[47] = 200;
  const files: [Uint8Array, RegExp][] = [
    [new Uint8Array(), /neither.*no snapshot/],
    [new TextEncoder().encode("somebody's file"), /neither.*no snapshot/],
    [Uint8Array.from({ length: 5000 }, (_, place) => (place * 7919) >> 3), /neither.*no snapshot/],
    [whole.slice(0, 100), /cut short at \d+ bytes/],
    [Uint8Array.from([...whole, 0]), /1 bytes follow/],
    [later, /version 9/],
    [wrong, /at 0x0: a slab has no slots, or too many/],
    [new TextEncoder().encode("\0asm rubbish"), /no WebAssembly module/],
    [Uint8Array.from([0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0]), /component.*wasm32-wasip1/],
    [Uint8Array.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]), /does not export __pageslab_heap.*export_abi!\(snapshot\)/],
  ];
  for (const [bytes, why] of files) {
    await open(page, bytes);
    await expect(alert(page)).toHaveText(why);
    await expect(map(page)).toHaveCount(0);
  }
  await open(page, whole);
  await expect(alert(page)).toBeEmpty();
  await expect(map(page)).toBeVisible();
});

test("a command of WASI runs with its arguments, to its end, to a misuse, or until it is stopped", async ({ page }) => {
  const args = page.getByLabel("Arguments of the guest");
  await args.fill("clean");
  await open(page, GUEST);
  await expect(status(page)).toHaveText("guest-cli.wasm: It has ended with exit code 0.");
  await expect(page.getByLabel("What the guest says")).toContainText("5000");

  await args.fill("leaks");
  await open(page, GUEST);
  await expect(status(page)).toContainText("exit code 0");
  await expect(page.locator("dl")).toContainText("4 blocks");

  await args.fill("exits");
  await open(page, GUEST);
  await expect(status(page)).toContainText("exit code 7");

  await args.fill("misuses");
  await open(page, GUEST);
  await expect(alert(page)).toContainText(/0x[0-9a-f]+.* was freed before/);

  await args.fill("loops");
  await open(page, GUEST);
  await expect(status(page)).toContainText("The guest runs.");
  await page.getByRole("button", { name: "Stop" }).click();
  await expect(status(page)).toContainText("You have stopped the guest.");
});

test("the keyboard alone is enough", async ({ page }) => {
  const tabTo = async (name: string) => {
    for (let presses = 0; presses < 40; presses += 1) {
      await page.keyboard.press("Tab");
      const focused = page.locator(":focus");
      if ((await focused.getAttribute("aria-label"))?.startsWith(name) || (await focused.innerText()).startsWith(name)) {
        return;
      }
    }
    throw new Error(`the keyboard does not come to ${name}`);
  };
  await tabTo("Steady");
  await page.keyboard.press("Enter");
  await expect(status(page)).toContainText("The guest runs.");
  await tabTo("Pause");
  await page.keyboard.press("Space");
  await expect(status(page)).toContainText("The guest is paused.");
  await tabTo("Map of");
  const page0 = map(page).getByRole("option");
  await page.keyboard.press("Home");
  await expect(page0).toHaveText("Page 0 at 0x0: mostly not the heap's, 100% in use");
  await page.keyboard.press("ArrowRight");
  await expect(page0).toContainText("Page 1 at 0x10000");
  await page.keyboard.press("End");
  const last = await page0.innerText();
  await page.keyboard.press("Enter");
  await expect(slots(page)).toBeFocused();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Escape");
  await expect(map(page)).toBeFocused();
  await expect(page0).toHaveText(last);
});

test("of a heap of 1 GiB only what is in view is drawn", async ({ page }) => {
  await open(page, snapshot(16384));
  const canvas = map(page).locator("canvas");
  await expect(map(page).getByRole("option")).toHaveAttribute("aria-setsize", "16384");
  const drawn = async () => Number(await canvas.getAttribute("data-drawn"));
  await expect.poll(drawn).toBeGreaterThan(300);
  expect(await drawn()).toBeLessThan(1000);
  await map(page).press("End");
  await expect(map(page).getByRole("option")).toContainText("Page 16383 at 0x3fff0000: mostly slots of 64 bytes, 3% in use");
  await expect.poll(drawn).toBeGreaterThan(300);
  expect(await drawn()).toBeLessThan(1000);
  await map(page).press("Enter");
  await expect(page.getByRole("table").getByRole("row")).toHaveCount(1 + 16);
});

test("the same workload's memory with other allocators is drawn, too, if wished", async ({ page }) => {
  const legend = page.locator(".u-legend");
  await runTo(page, "Steady", 2);
  await expect(legend).not.toContainText("dlmalloc");
  await page.getByLabel(/^Compare/).check();
  await runTo(page, "Steady", 2);
  await expect(legend).toContainText(/memory with dlmalloc\s*[\d.]+ MiB/);
  await expect(legend).toContainText(/memory with talc\s*[\d.]+ MiB/);
});
