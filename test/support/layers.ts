/**
 * The import rules as data. A file belongs to the first floor one of whose paths it starts with; it
 * may import from lower floors, and on its own floor from its own folder and from those to the left.
 */
export const floors: readonly (readonly string[])[] = [
  ['src/errors.ts', 'src/random.ts', 'src/canonical.ts', 'src/tensors/'],
  ['src/registry.ts', 'src/parameters.ts', 'src/compute/', 'src/graphs/', 'src/checkpoints/'],
  ['src/codecs/', 'src/operators/', 'src/models/'],
  ['src/recipes/'],
  ['src/evaluation/', 'src/search/'],
  ['src/diagnosis/'],
  ['src/index.ts'],
  ['protocol/'],
  ['node/'],
]

/** Outsiders import a door, never a file behind it. */
export const doors: readonly { folder: string; door: string }[] = [
  { folder: 'src/', door: 'src/index.ts' },
  { folder: 'protocol/', door: 'protocol/index.ts' },
]

/** Packages and modules that few files may import, with the reason. */
export const importers: readonly {
  module: RegExp
  allowed: RegExp
  within: RegExp
  why: string
}[] = [
  {
    module: /^onnxruntime/,
    within: /^(src|protocol|node)\//,
    allowed: /^src\/compute\/onnxruntime-worker\.ts$/,
    why: 'onnxruntime blocks the event loop and lives in one worker',
  },
  {
    module: /^(libp2p$|@libp2p\/|@chainsafe\/libp2p|@multiformats\/multiaddr|it-)/,
    within: /^(src|protocol|node)\//,
    allowed: /^(protocol|node)\//,
    why: 'the engine knows no network',
  },
  {
    module: /^(node:)?fs(\/promises)?$/,
    within: /^(src|protocol)\//,
    allowed: /^src\/(checkpoints\/files|registry)\.ts$/,
    why: 'files.ts reads and writes model files, registry.ts lists code; nothing else touches the disk',
  },
  {
    module: /^(node:)?(net|http|https|http2|dgram|tls|dns|child_process|os)$/,
    within: /^(src|protocol)\//,
    allowed: /^$/,
    why: 'ports and processes are the node’s',
  },
]

/** Words that only some files may contain. */
export const words: readonly { word: RegExp; within: RegExp; allowed: RegExp; why: string }[] = [
  {
    word: /\bprocess\.env\b/,
    within: /^(src|protocol|node)\//,
    allowed: /^(node\/config|src\/compute\/onnxruntime-worker)\.ts$/,
    why: 'settings are read in one place; the worker only switches off onnxruntime’s telemetry',
  },
  {
    word: /\bconsole\./,
    within: /^(src|protocol|node)\//,
    allowed: /^node\/cli\//,
    why: 'libraries do not print',
  },
  {
    word: /\b(loadOn|weightsOnDevice|createDeviceMemory)\b/,
    within: /^(src|protocol|node)\//,
    allowed:
      /^src\/(checkpoints\/weights|graphs\/device-memory|recipes\/(materialise|device-weights)|evaluation\/(evaluate|layer-pass))\.ts$/,
    why: 'a device measures; published bytes come from the kernels alone',
  },
  {
    word: /\b(Date\.now|new Date\(\)|performance\.now|Math\.random|process\.hrtime|randomUUID|randomBytes)\b/,
    within: /^src\//,
    allowed: /^$/,
    why: 'the engine is deterministic',
  },
  {
    word: /\b(Date\.now|new Date\(\)|performance\.now|Math\.random|process\.hrtime)\b/,
    within: /^protocol\//,
    allowed: /^$/,
    why: 'the protocol gets its clock injected',
  },
]

/** Folders whose files are entries of a registry: they stand alone and do not import each other. */
export const entryFolders = ['src/codecs/', 'src/operators/', 'src/models/', 'src/search/']

/** One idea per file; longer ones hold more than one. */
export const MAX_LINES = 320
