/** What `build.mjs` puts in the place of these imports. */

declare module "module:*" {
  const bytes: Uint8Array<ArrayBuffer>;
  export default bytes;
}

declare module "text:worker" {
  const text: string;
  export default text;
}

declare module "*.css";
