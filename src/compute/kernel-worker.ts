import { workerData } from 'node:worker_threads'
import { SIGNAL, viewBoard } from './call-board.ts'
import { doPieces, type KernelThread } from './kernel-call.ts'
import { instantiate, type SharedMemory } from './web-assembly.ts'

/** A further thread of the kernels: helps with each call, and sleeps in between until it is ended. */

export interface KernelWorkerInit {
  readonly module: object
  readonly memory: SharedMemory
  readonly board: SharedArrayBuffer
  readonly number: number
  /** Pointers of this thread's page and of its counters. */
  readonly page: number
  readonly counters: number
}

const { module, memory, page, number, counters, ...init } = workerData as KernelWorkerInit
const board = viewBoard(init.board)
const exports = instantiate(module, memory, page) as KernelThread['exports']
const thread: KernelThread = { number, exports, counters }

for (;;) {
  const signal = Atomics.load(board.words, SIGNAL)
  doPieces(board, thread)
  Atomics.wait(board.words, SIGNAL, signal)
}
