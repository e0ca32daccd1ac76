/**
 * A process that writes into a store until it is killed: `node writer.ts <folder> <number>`. It prints
 * one line for each acknowledgement: `record <id>`, `mark <name>` or `block <cid>`.
 */
import { writeSync } from 'node:fs'
import { openStore } from '../../../node/storage/store.ts'
import { publicNetworkId } from '../../../protocol/index.ts'
import { cidOf, RAW } from '../../../src/index.ts'
import { keyOf, signedScore } from '../../protocol/fixtures.ts'

const [folder = '', number = '0'] = process.argv.slice(2)
const key = await keyOf(Number(number))
const store = await openStore(folder, publicNetworkId)
const say = (line: string): void => void writeSync(1, `${line}\n`)
say('open')

async function writeRecords(): Promise<void> {
  for (;;) {
    const records = Array.from({ length: 8 }, () =>
      signedScore(key, { seq: store.records.nextSeq(key.publicKey.raw, 'score') }),
    )
    for (const { id } of await store.records.add(records)) say(`record ${id.toString()}`)
  }
}

async function writeMarks(): Promise<void> {
  for (let i = 0; ; i++) {
    await store.names.set(`${number}-${i % 50}`, `${i}`)
    say(`mark ${number}-${i % 50} ${i}`)
  }
}

async function writeBlocks(): Promise<void> {
  for (let i = 0; ; i++) {
    const bytes = new Uint8Array(50_000).fill(i)
    new DataView(bytes.buffer).setFloat64(0, Number(number) * 1e6 + i)
    const cid = cidOf(bytes, RAW)
    await store.blocks.put(cid, bytes)
    if (i % 4 !== 0) continue
    await store.blocks.flush()
    say(`block ${cid.toString()}`)
  }
}

await Promise.all([writeRecords(), writeMarks(), writeBlocks()])
