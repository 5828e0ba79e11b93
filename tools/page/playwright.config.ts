/** The tests open the built page from its file, in the system's Chromium. */

import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { defineConfig } from "@playwright/test";

/** The one that is named, or that is found as cargo's tests find it. */
function chromium(): string {
  const names = process.env["CHROME"] ? [process.env["CHROME"]] : ["chromium", "chromium-browser", "google-chrome"];
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  const paths = names.flatMap((name) => [name, ...folders.map((folder) => join(folder, name))]);
  return paths.find((path) => path.includes("/") && existsSync(path)) ?? "chromium";
}

export default defineConfig({
  testDir: "tests",
  outputDir: "test-results",
  // For machines that do much else at the same time.
  timeout: 120_000,
  expect: { timeout: 30_000 },
  reporter: "list",
  forbidOnly: true,
  workers: 2,
  fullyParallel: true,
  use: {
    viewport: { width: 1280, height: 900 },
    launchOptions: {
      executablePath: chromium(),
      // Its sandbox refuses to run as root, as in a container.
      args: ["--no-sandbox", "--disable-dev-shm-usage"],
    },
  },
});
