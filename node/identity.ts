import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import type { Ed25519PrivateKey } from '@libp2p/interface'
import { EnvironmentError, NotAllowedError } from '../src/index.ts'
import { privateFolder, writeNew } from './storage/atomic-file.ts'

/**
 * The ed25519 key of a node: it is its peer id, and it signs what the node publishes and measures.
 * It lies in `keys/node.key`, readable by its owner alone.
 */
export async function loadIdentity(home: string): Promise<Ed25519PrivateKey> {
  const path = join(await privateFolder(join(home, 'keys')), 'node.key')
  const found = await stat(path).catch(absent)
  if (found === undefined) {
    const key = await generateKeyPair('Ed25519')
    // Of two first commands at the same time, one takes the key of the other.
    return (await writeNew(path, privateKeyToProtobuf(key))) ? key : loadIdentity(home)
  }
  if (process.platform !== 'win32' && (found.mode & 0o077) !== 0) {
    throw new NotAllowedError('E_KEY_MODE', 'the node key can be read by others', {
      expected: 'mode 0600',
      actual: `mode 0${(found.mode & 0o777).toString(8)}`,
      fix: `chmod 600 ${path}`,
    })
  }
  const key = privateKeyFromProtobuf(await readFile(path))
  if (key.type === 'Ed25519') return key
  throw new EnvironmentError('E_KEY_TYPE', 'the node key is of another kind', {
    expected: 'Ed25519',
    actual: key.type,
    fix: `move ${path} away; a new key is made at the next start`,
  })
}

/** Only a key that is not there is made anew: one that cannot be looked at must not be replaced. */
function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}
