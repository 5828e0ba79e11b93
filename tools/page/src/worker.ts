/** One script for both workers: their names tell which is which. */

import { startReader } from "./reader";
import { startRunner } from "./runner";

const start = self.name === "runner" ? startRunner : startReader;
start();
