/**
 * How the page looks: light, dark, and on a phone. With `PAGE_SCREENSHOTS` the folder gets the pictures that `docs/` shows; they
 * differ from system to system, and are not compared.
 */

import { join } from "node:path";
import type { Page } from "@playwright/test";
import { expect, makeStep, map, runTo, test } from "./page";

const folder = process.env["PAGE_SCREENSHOTS"];

async function picture(page: Page, name: string): Promise<void> {
  if (folder) {
    await page.screenshot({ path: join(folder, `page-${name}.png`), animations: "disabled", fullPage: true });
  }
}

const back = (page: Page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);

for (const scheme of ["light", "dark"] as const) {
  test.describe(scheme, () => {
    test.use({ colorScheme: scheme });

    test("the page is as the system is, until it is told otherwise @screenshot", async ({ page }) => {
      await page.getByLabel(/^Compare/).check();
      await runTo(page, scheme === "light" ? "Steady" : "Leak", folder ? 60 : 3);
      const colour = await back(page);
      expect(colour).toBe(scheme === "light" ? "rgb(255, 255, 255)" : "rgb(13, 17, 23)");
      await picture(page, scheme);
      await page.getByRole("button", { name: "Dark" }).click();
      expect(await back(page)).not.toBe(colour);
    });
  });
}

test.describe("phone", () => {
  test.use({ viewport: { width: 390, height: 844 }, hasTouch: true });

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
