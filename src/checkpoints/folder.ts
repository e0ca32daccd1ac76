import { basename, dirname, join } from 'node:path'
import { InvalidInputError, NotFoundError } from '../errors.ts'
import type { Checkpoint } from '../tensors/checkpoint.ts'
import {
  listFolder,
  openSafetensors,
  type OpenCheckpoint,
  readSmallFile,
  resolveInside,
} from './files.ts'
import { INDEX_NAME, openShards } from './shards.ts'
import { type JsonObject, parseJsonFile } from './strict-json.ts'

/** A configuration has a few kilobytes; `id2label` of a large classifier some hundred. */
const MAX_CONFIG_BYTES = 4 * 2 ** 20

/** A model as Hugging Face's libraries lay it out on disk. */
export interface ModelFolder {
  readonly checkpoint: Checkpoint
  /** `config.json`; `undefined` where there is none. */
  readonly config: JsonObject | undefined
  /** `model_type` of the configuration, for example `llama`. */
  readonly architecture: string | undefined
  /** The folder itself, and what else of the model lies there: tokenizer, templates, licence. */
  readonly path: string
  readonly sideFiles: readonly string[]
  /** Closes the files; may be called twice. */
  close(): Promise<void>
}

/**
 * Opens a folder with `model.safetensors` or with `model.safetensors.index.json` and its shards, or
 * a single `.safetensors` file with the configuration beside it. Only headers are read. Rejects
 * with `NotFoundError` `E_FILE_MISSING` or `E_MODEL_MISSING`, `InvalidInputError` `E_PICKLE`,
 * `NotAllowedError` `E_LINK_OUTSIDE`, and `MalformedError` for what is wrong in a file.
 */
export async function openFolder(path: string): Promise<ModelFolder> {
  const listed = await listFolder(path)
  const folder = listed === undefined ? dirname(path) : path
  const sideFiles = await sideFilesOf(folder)
  const config = sideFiles.includes('config.json') ? await readConfig(folder) : undefined
  const architecture = config?.get('model_type')
  const checkpoint = listed === undefined ? await openFile(path) : await openListed(folder, listed)
  return {
    checkpoint,
    config,
    architecture: typeof architecture === 'string' ? architecture : undefined,
    path: folder,
    sideFiles,
    close: () => checkpoint.close(),
  }
}

/** Names of the side files in a folder. */
export async function sideFilesOf(path: string): Promise<readonly string[]> {
  return ((await listFolder(path)) ?? []).filter((name) => SIDE_FILE.test(name))
}

/** What transformers reads beside the weights. Code files are left out: nothing here runs them. */
const SIDE_FILE =
  /^(?:(?:config|generation_config|preprocessor_config|processor_config|special_tokens_map|added_tokens|vocab)\.json|(?:vocab|merges)\.txt|(?:tokenizer|chat_template)[\w.-]*\.(?:json|jinja|model)|tokenizer\.model[\w.]*|(?:LICEN[CS]E|NOTICE)[\w.-]*)$/

const PICKLE = /\.(?:bin|pt|pth|ckpt|pkl|pickle)$/

async function readConfig(folder: string): Promise<JsonObject> {
  const path = await resolveInside(folder, 'config.json')
  return parseJsonFile(await readSmallFile(path, MAX_CONFIG_BYTES), join(folder, 'config.json'))
}

function openFile(path: string): Promise<OpenCheckpoint> {
  if (PICKLE.test(path)) throw pickle(basename(path))
  return openSafetensors(path)
}

/** `model.safetensors` before the index, as transformers does; other files are not the model. */
async function openListed(folder: string, names: readonly string[]): Promise<OpenCheckpoint> {
  if (names.includes('model.safetensors')) {
    return openSafetensors(await resolveInside(folder, 'model.safetensors'))
  }
  if (names.includes(INDEX_NAME)) return openShards(folder)
  const pickled = names.find((name) => PICKLE.test(name))
  if (pickled !== undefined) throw pickle(pickled)
  throw new NotFoundError('E_MODEL_MISSING', `there is no model in ${folder}`, {
    expected: 'model.safetensors, or model.safetensors.index.json with its shards',
    actual: names.slice(0, 20),
    fix: 'give the folder of the model, or the path of one .safetensors file',
  })
}

function pickle(name: string): InvalidInputError {
  return new InvalidInputError('E_PICKLE', `${name} is a pickle, which can run code when opened`, {
    expected: 'safetensors',
    actual: name,
    fix: [
      'download the safetensors version of the model',
      'or convert it where you trust it: model.save_pretrained(folder, safe_serialization=True)',
    ],
  })
}
