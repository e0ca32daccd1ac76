import {
  MAX_BLOCK_STREAMS,
  MAX_INBOUND_BUFFER_BYTES,
  MAX_STREAM_WINDOW_BYTES,
  MAX_WRITE_BUFFER_BYTES,
} from '../limits.ts'

export const BLOCKS_PROTOCOL = '/deltaswarm/blocks/1.0.0'

/** For `libp2p.handle`: the defaults would give every connection 32 streams of this protocol. */
export const blockHandlerOptions = {
  maxInboundStreams: MAX_BLOCK_STREAMS,
  maxOutboundStreams: MAX_BLOCK_STREAMS,
  // A relay carries 128 KiB; blocks wait for a direct connection.
  runOnLimitedConnection: false,
} as const

/**
 * For `yamux()`. Its defaults let one connection hold 1,000 streams with 4 MiB of unread bytes each
 * and a write buffer without end. A stream that is read needs no read buffer, so the small one is
 * right for all; the exchange raises it on the streams that it opens.
 */
export const yamuxOptions = {
  maxInboundStreams: 32,
  maxOutboundStreams: 128,
  streamOptions: {
    maxStreamWindowSize: MAX_STREAM_WINDOW_BYTES,
    maxReadBufferLength: MAX_INBOUND_BUFFER_BYTES,
    maxWriteBufferLength: MAX_WRITE_BUFFER_BYTES,
  },
} as const
