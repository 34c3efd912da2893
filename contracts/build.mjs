// Compiles src/ into ../abi/, one JSON file for each contract, and into layout.json, the same bytes on every machine.
//   node build.mjs           writes the files
//   node build.mjs --check   writes nothing; fails and names each file that is out of step
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import solc from "solc";

const here = dirname(fileURLToPath(import.meta.url));
const sourceRoot = join(here, "src");
const root = resolve(here, "..");
const lock = "abi/SHA256SUMS";
const layout = "contracts/layout.json";

// `cancun` is the lowest EVM version all our chains run; no metadata in the code, so that comments never change it.
const settings = {
  evmVersion: "cancun",
  metadata: { appendCBOR: false, bytecodeHash: "none" },
  optimizer: { enabled: true, runs: 1_000_000 },
  viaIR: true,
};

const sha256 = (text) => createHash("sha256").update(text).digest("hex");

/** The same value with the keys of each object in order, so that the written bytes depend on content alone. */
function ordered(value) {
  if (Array.isArray(value)) return value.map(ordered);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.keys(value).sort().map((key) => [key, ordered(value[key])]));
}

/** Paths of all files below a folder that end as asked, relative to it, with forward slashes, in order. */
function filesBelow(folder, ending) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true })
    .map((path) => path.split(sep).join("/"))
    .filter((path) => path.endsWith(ending))
    .sort();
}

function compile(sources) {
  const input = {
    language: "Solidity",
    sources: Object.fromEntries(Object.entries(sources).map(([path, content]) => [path, { content }])),
    settings: {
      ...settings,
      outputSelection: {
        "*": {
          "*": ["abi", "metadata", "storageLayout", "evm.bytecode.object", "evm.deployedBytecode", "evm.methodIdentifiers"],
        },
      },
    },
  };
  const fromPackage = (path) => {
    const file = join(here, "node_modules", path);
    return existsSync(file) ? { contents: readFileSync(file, "utf8") } : { error: `${path} is not installed: run npm ci` };
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: fromPackage }));
  const problems = (output.errors ?? []).filter((one) => !isExpected(one));
  if (problems.length > 0) {
    console.error(problems.map((one) => one.formattedMessage).join("\n"));
    process.exit(1);
  }
  return output.contracts;
}

/** Warnings are errors, but one: the compiler's general advice about transient storage, for the library's own lock. */
function isExpected(problem) {
  const path = problem.sourceLocation?.file ?? "";
  return problem.severity !== "error" && problem.errorCode === "2394" && path.startsWith("@openzeppelin/");
}

/** Places of immutables in the deployed code, without the compiler's node numbers, which shift with unrelated edits. */
function immutablesOf(deployedBytecode) {
  return Object.values(deployedBytecode.immutableReferences ?? {})
    .flat()
    .map(({ start, length }) => ({ start, length }))
    .sort((a, b) => a.start - b.start);
}

/** Path in the repository -> SHA-256 of each of our sources a contract was made from. */
function sourcesOf(contract, sources) {
  const used = Object.keys(JSON.parse(contract.metadata).sources).filter((path) => path in sources);
  return Object.fromEntries(used.map((path) => [`contracts/src/${path}`, sha256(sources[path])]));
}

/** Where each variable and each member of our structs stands, without the compiler's node numbers. */
function layoutOf({ storageLayout }, sources) {
  const types = storageLayout.types ?? {};
  const place = ({ label, offset, slot, type }) => ({
    bytes: Number(types[type].numberOfBytes),
    name: label,
    offset,
    slot: Number(slot),
    type: types[type].label,
  });
  const structs = Object.values(types).filter((type) => type.members);
  return {
    sources,
    structs: Object.fromEntries(structs.map((type) => [type.label, type.members.map(place)])),
    variables: storageLayout.storage.map(place),
  };
}

function artifactOf(name, contract, sources) {
  return {
    abi: contract.abi,
    bytecode: `0x${contract.evm.bytecode.object}`,
    compiler: solc.version(),
    contractName: name,
    deployedBytecode: `0x${contract.evm.deployedBytecode.object}`,
    evmVersion: settings.evmVersion,
    immutableReferences: immutablesOf(contract.evm.deployedBytecode),
    methodIdentifiers: contract.evm.methodIdentifiers,
    settingsSha256: sha256(JSON.stringify(ordered(settings))),
    sources,
  };
}

const asText = (value) => `${JSON.stringify(ordered(value), null, 2)}\n`;

/** What should be there: path in the repository -> text. A contract of src/quirks/ goes to abi/quirks/, its layout nowhere. */
function artifacts() {
  const sources = Object.fromEntries(
    filesBelow(sourceRoot, ".sol").map((path) => [path, readFileSync(join(sourceRoot, path), "utf8")]),
  );
  const wanted = {};
  const layouts = {};
  for (const [path, contracts] of Object.entries(compile(sources))) {
    if (!(path in sources)) continue;
    for (const [name, contract] of Object.entries(contracts)) {
      if (contract.evm.bytecode.object === "") continue; // abstract: nothing to deploy
      const madeFrom = sourcesOf(contract, sources);
      const file = join("abi", dirname(path), `${name}.json`).split(sep).join("/");
      wanted[file] = asText(artifactOf(name, contract, madeFrom));
      if (dirname(path) === ".") layouts[name] = layoutOf(contract, madeFrom);
    }
  }
  return { ...wanted, [lock]: checksums(wanted), [layout]: asText(layouts) };
}

/** One line for each artifact, as `sha256sum -c` reads them, so that an edited artifact shows without a compiler. */
function checksums(files) {
  const names = Object.keys(files).sort();
  return names.map((file) => `${sha256(files[file])}  ${file.replace("abi/", "")}\n`).join("");
}

const wanted = artifacts();
const present = filesBelow(join(root, "abi"), ".json").map((file) => `abi/${file}`);
const current = [...present, lock, layout].filter((file) => existsSync(join(root, file)));
const surplus = current.filter((file) => !(file in wanted));
const changed = Object.keys(wanted).filter(
  (file) => !current.includes(file) || readFileSync(join(root, file), "utf8") !== wanted[file],
);

if (process.argv.includes("--check")) {
  for (const file of changed) console.error(`${file} is out of step with contracts/src: run make contracts`);
  for (const file of surplus) console.error(`${file} belongs to no contract: run make contracts`);
  process.exitCode = changed.length + surplus.length > 0 ? 1 : 0;
} else {
  for (const file of changed) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), wanted[file]);
  }
  for (const file of surplus) rmSync(join(root, file));
  console.log(`${changed.length} written, ${surplus.length} removed, ${Object.keys(wanted).length} in all`);
}
