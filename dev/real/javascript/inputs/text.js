// Text: templates, regular expressions, words counted, strings that grow.
"use strict";

const words = "the river carries a small boat past the old mill and under a bridge of grey stone".split(" ");
const lines = [];
for (let line = 0; line < 400; line++) {
  const length = 6 + ((line * 7 + round) % 9);
  const picked = Array.from({ length }, (_, at) => words[(line * at + round + 3) % words.length]);
  picked[0] = picked[0][0].toUpperCase() + picked[0].slice(1);
  lines.push(`${line}: ${picked.join(" ")} (${(line * 37) % 100}%).`);
}
const page = lines.join("\n");

const counts = new Map();
for (const [word] of page.matchAll(/[a-z]+/gi)) {
  const key = word.toLowerCase();
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
const frequent = [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));

const percents = page.replace(/\((\d+)%\)/g, (_, digits) => `[${Number(digits) / 100}]`);
const named = /^(?<number>\d+): (?<first>\w+)/gm;
let heads = "";
for (let match; (match = named.exec(page)); ) {
  heads += match.groups.number.padStart(4, "0") + match.groups.first;
}

let html = "";
for (const line of lines) {
  const escaped = line.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  html += "<p>" + escaped.split(" ").map((word) => (word.length > 5 ? `<b>${word}</b>` : word)).join(" ") + "</p>";
}

let hash = 0;
for (const text of [percents, heads, html]) {
  for (let at = 0; at < text.length; at += 3) hash = (hash * 31 + text.charCodeAt(at)) | 0;
}

globalThis.answer = [page.length, html.length, hash, frequent.slice(0, 5)].join(";");
