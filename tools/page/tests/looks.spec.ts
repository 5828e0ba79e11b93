/**
 * How the page looks: light, dark, and on a phone. With `PAGE_SCREENSHOTS` the folder gets the pictures that `docs/` shows; they
 * differ from system to system, and are not compared.
 */

import { join } from "node:path";
import type { Page } from "@playwright/test";
import { expect, makeStep, map, runTo, test } from "./page";

const folder = process.env["PAGE_SCREENSHOTS"];

/** What fits on the screen: the scheme and the size are the test's. */
async function picture(page: Page, name: string): Promise<void> {
  if (folder) {
    const path = join(folder, `page-${name}.png`);
    const picture = await page.screenshot({ path, animations: "disabled" });
    expect(picture.length).toBeLessThan(150_000);
  }
}

const back = (page: Page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);

for (const scheme of ["light", "dark"] as const) {
  test.describe(scheme, () => {
    test.use({ colorScheme: scheme, viewport: { width: 1000, height: 980 } });

    test("the page is as the system is, until it is told otherwise @screenshot", async ({ page }) => {
      await page.getByLabel(/^Compare/).check();
      await runTo(page, scheme === "light" ? "Steady" : "Leak", folder ? 60 : 3);
      const colour = await back(page);
      expect(colour).toBe(scheme === "light" ? "rgb(255, 255, 255)" : "rgb(13, 17, 23)");
      if (scheme === "dark") {
        // The same page of a heap that is always the same.
        await map(page).press("Home");
        for (let presses = 0; presses < 18; presses += 1) {
          await map(page).press("ArrowRight");
        }
        await map(page).press("Enter");
        await expect(page.getByRole("table")).toContainText("slots of");
        await page.getByRole("table").scrollIntoViewIfNeeded();
      }
      await picture(page, scheme);
      await page.getByRole("button", { name: "Dark" }).click();
      expect(await back(page)).not.toBe(colour);
    });
  });
}

test.describe("phone", () => {
  test.use({ viewport: { width: 390, height: 1500 }, hasTouch: true });

  test("on a phone nothing is wider than the screen @screenshot", async ({ page }) => {
    const width = () => page.evaluate(() => document.documentElement.scrollWidth);
    await runTo(page, "Misuse", 19);
    await makeStep(page, 20);
    await expect(page.getByText("Misuse caught")).toBeVisible();
    expect(await width()).toBe(390);
    await map(page).press("ArrowRight");
    await map(page).press("Enter");
    await expect(page.getByRole("table")).toContainText("slots of");
    expect(await width()).toBe(390);
    await picture(page, "phone");
  });
});
