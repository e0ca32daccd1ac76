import { join } from 'node:path'
import { EnvironmentError } from '../../src/index.ts'
import { privateFolder } from './atomic-file.ts'
import { type DiskBlockstore, openBlocks } from './blocks.ts'
import { type Ledger, openLedger } from './ledger.ts'
import { type Marks, openMarks } from './marks.ts'
import { type DiskRecords, openRecords } from './records.ts'

/**
 * All that a node keeps. The block files and the journal are the truth; the level index is rebuilt
 * from the journal when it is missing or damaged, and its lock is the store's lock.
 */
export interface Store {
  readonly blocks: DiskBlockstore
  readonly records: DiskRecords
  readonly names: Marks
  readonly bases: Marks
  readonly data: Marks
  readonly verified: Marks
  /** What was repaired when it was opened, in words. */
  readonly findings: readonly string[]
  close(): Promise<void>
}

/**
 * Rejects with `EnvironmentError`: `E_STORE_LOCKED` when another process has it, `E_STORE_NETWORK`
 * when it belongs to another network, `E_INDEX`, `E_DISK_FULL` or `E_DISK_DENIED`.
 */
export async function openStore(home: string, networkId: Uint8Array): Promise<Store> {
  const folder = await privateFolder(join(home, 'store'))
  const ledger = await openLedger(folder)
  try {
    await claim(ledger, networkId)
    const blocks = await openBlocks(folder)
    const records = await openRecords(ledger, networkId)
    return {
      blocks,
      records,
      names: openMarks(ledger, 'name'),
      bases: openMarks(ledger, 'base'),
      data: openMarks(ledger, 'data'),
      verified: openMarks(ledger, 'verified'),
      findings: [
        ...ledger.findings,
        ...(records.lost === 0 ? [] : [`${records.lost} records lost until peers send them again`]),
      ],
      async close() {
        try {
          await blocks.close()
        } finally {
          await ledger.close()
        }
      },
    }
  } catch (error) {
    await ledger.close()
    throw error
  }
}

/** The signatures in a store hold in one network, and its peers would refuse those of another. */
async function claim(ledger: Ledger, networkId: Uint8Array): Promise<void> {
  const marks = openMarks(ledger, 'store')
  const ours = Buffer.from(networkId).toString('hex')
  const claimed = await marks.get('network')
  if (claimed === undefined) return marks.set('network', ours)
  if (claimed === ours) return
  throw new EnvironmentError('E_STORE_NETWORK', 'this store belongs to another network', {
    expected: ours,
    actual: claimed,
    fix: 'use another folder for this network, with --home',
  })
}
