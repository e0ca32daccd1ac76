const onnxruntime = require('onnxruntime-node')

/** onnxruntime as Nodes before 24.9 see it: shared memory is an invalid argument. */
function refuseShared(tensors) {
  for (const { data } of Object.values(tensors)) {
    if (data.buffer instanceof SharedArrayBuffer) throw new Error('Invalid argument')
  }
}

module.exports = {
  ...onnxruntime,
  InferenceSession: {
    async create(model, options) {
      const session = await onnxruntime.InferenceSession.create(model, options)
      return {
        run(feeds, fetches) {
          refuseShared(feeds)
          if (!Array.isArray(fetches)) refuseShared(fetches)
          return session.run(feeds, fetches)
        },
        release: () => session.release(),
      }
    },
  },
}
