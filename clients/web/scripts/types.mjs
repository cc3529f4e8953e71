// Writes src/protocol.ts from docs/protocol.schema.json. With --check it writes nothing and fails where they differ.
import { readFileSync, writeFileSync } from "node:fs";

const root = new URL("../../../", import.meta.url);
const target = new URL("../src/protocol.ts", import.meta.url);
const { $defs } = JSON.parse(readFileSync(new URL("docs/protocol.schema.json", root), "utf8"));

const name = (ref) => ref.slice("#/$defs/".length);
const comment = (schema, indent = "") =>
  schema.description && !schema.$ref ? `${indent}/** ${schema.description} */\n` : described(schema, indent);
const described = (schema, indent) => (schema.description ? `${indent}/** ${schema.description} */\n` : "");

function type(schema, indent = "") {
  if (schema.$ref) return name(schema.$ref);
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((word) => JSON.stringify(word)).join(" | ");
  const choice = schema.oneOf ?? schema.anyOf;
  if (choice) return choice.map((one) => type(one, indent)).join(" | ");
  if (Array.isArray(schema.type)) return schema.type.map((one) => type({ ...schema, type: one }, indent)).join(" | ");
  switch (schema.type) {
    case "object": {
      const inner = `${indent}  `;
      const members = Object.entries(schema.properties).map(([key, member]) => {
        const optional = (schema.required ?? []).includes(key) ? "" : "?";
        return `${described(member, inner)}${inner}${key}${optional}: ${type(member, inner)};\n`;
      });
      return `{\n${members.join("")}${indent}}`;
    }
    case "array": {
      const item = type(schema.items, indent);
      return item.includes(" ") ? `Array<${item}>` : `${item}[]`;
    }
    case "integer":
    case "number":
      return "number";
    case "string":
    case "boolean":
    case "null":
      return schema.type;
    default:
      return "unknown";
  }
}

let text = "// Made from docs/protocol.schema.json by scripts/types.mjs. Do not edit.\n";
for (const [key, schema] of Object.entries($defs)) {
  const isShape = schema.type === "object" && !schema.enum;
  text += `\n${comment(schema)}`;
  text += isShape ? `export interface ${key} ${type(schema)}\n` : `export type ${key} = ${type(schema)};\n`;
}

if (process.argv.includes("--check")) {
  if (readFileSync(target, "utf8") !== text) {
    console.error("src/protocol.ts is not what docs/protocol.schema.json says: npm run types");
    process.exit(1);
  }
} else {
  writeFileSync(target, text);
}
