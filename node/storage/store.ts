import { join } from 'node:path'
import { privateFolder } from './atomic-file.ts'
import { type DiskBlockstore, openBlocks } from './blocks.ts'
import { openLedger } from './ledger.ts'
import { type Marks, openMarks } from './marks.ts'
import { type DiskRecords, openRecords } from './records.ts'

/**
 * All that a node keeps. The block files and the journal are the truth; the level index is rebuilt
 * from them when it is missing or damaged, and its lock is the store's lock.
 */
export interface Store {
  readonly blocks: DiskBlockstore
  readonly records: DiskRecords
  readonly names: Marks
  readonly bases: Marks
  readonly data: Marks
  /** What was repaired when it was opened, in words. */
  readonly findings: readonly string[]
  close(): Promise<void>
}

/** Throws `EnvironmentError` `E_STORE_LOCKED` when another process has it. */
export async function openStore(home: string, networkId: Uint8Array): Promise<Store> {
  const folder = await privateFolder(join(home, 'store'))
  const ledger = await openLedger(folder)
  try {
    const blocks = await openBlocks(folder)
    return {
      blocks,
      records: await openRecords(ledger, networkId),
      names: openMarks(ledger, 'name'),
      bases: openMarks(ledger, 'base'),
      data: openMarks(ledger, 'data'),
      findings: ledger.findings,
      async close() {
        await blocks.close()
        await ledger.close()
      },
    }
  } catch (error) {
    await ledger.close()
    throw error
  }
}
