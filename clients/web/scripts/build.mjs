// Bundles the client for browsers into bundle/, which is committed because the server embeds it, and into dist/.
// With --check it writes nothing and fails where the committed bundle differs, or is too large.
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const MAX_CLIENT_GZIP_BYTES = 15 * 1024;
const at = (path) => new URL(`../${path}`, import.meta.url).pathname;
const isCheck = process.argv.includes("--check");

const shared = { bundle: true, minify: true, format: "esm", target: "es2022", write: false, legalComments: "none", logLevel: "error" };
const banner = (text) => ({ banner: { js: `/* ${text} */` } });
const bundles = {
  "signal-fish.js": {
    entryPoints: [at("src/index.ts")],
    external: ["@msgpack/msgpack"],
    ...banner("signal-fish-web, MIT licence. Made from clients/web/src by npm run build."),
  },
  "message-pack.js": {
    stdin: { contents: 'export { encode, decode } from "@msgpack/msgpack";', resolveDir: at("") },
    ...banner("@msgpack/msgpack, ISC licence, Copyright 2019 The MessagePack community. Made by npm run build."),
  },
};

for (const [name, options] of Object.entries(bundles)) {
  const { outputFiles } = await build({ ...shared, ...options });
  const { contents } = outputFiles[0];
  const bytes = gzipSync(contents, { level: 9 }).length;
  console.log(`${name}: ${contents.length} bytes, ${bytes} with gzip`);
  if (name === "signal-fish.js" && bytes > MAX_CLIENT_GZIP_BYTES) {
    console.error(`${name} has more than ${MAX_CLIENT_GZIP_BYTES} bytes with gzip`);
    process.exit(1);
  }
  if (isCheck) {
    if (!readFileSync(at(`bundle/${name}`)).equals(Buffer.from(contents))) {
      console.error(`bundle/${name} is not what the sources give: npm run build`);
      process.exit(1);
    }
  } else {
    for (const folder of ["bundle", "dist"]) {
      mkdirSync(at(folder), { recursive: true });
      writeFileSync(at(`${folder}/${name}`), contents);
    }
  }
}
if (!isCheck) copyFileSync(at("../../LICENSE"), at("LICENSE"));
