// The microphone: permission, and its sound in pieces of 40 ms at 16 kHz. Entry point:
// openMicrophone. The audio thread's half is microphone_worklet.js.

const START_MS = 5000; // Firefox waits forever where nothing can play sound

/** Asks for the microphone inside a click. `onPiece(samples, level)` gets Int16 pieces.
 *
 * Throws an Error whose message is a sentence for the visitor. */
async function openMicrophone(onPiece) {
  if (!navigator.mediaDevices?.getUserMedia) throw new Error(text.speech.insecure);
  const context = new AudioContext({ latencyHint: "interactive" }); // inside the click: it may run
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({
      audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true },
    });
    await started(context);
    await addWorklet(context);
  } catch (error) {
    stream?.getTracks().forEach((track) => track.stop());
    context.close();
    throw new Error(microphoneProblem(error));
  }
  const node = new AudioWorkletNode(context, "flashtalk-microphone", { numberOfOutputs: 0 });
  node.port.onmessage = ({ data }) => onPiece(new Int16Array(data.samples), data.level);
  context.createMediaStreamSource(stream).connect(node);
  return {
    close() {
      node.port.onmessage = null;
      stream.getTracks().forEach((track) => track.stop());
      context.close();
    },
  };
}

async function started(context) {
  const silent = new DOMException("its sound does not start", "TimeoutError");
  const late = new Promise((_, fail) => setTimeout(() => fail(silent), START_MS));
  await Promise.race([context.resume(), late]);
}

async function addWorklet(context) {
  const url = URL.createObjectURL(new Blob([workletSource], { type: "text/javascript" }));
  try {
    await context.audioWorklet.addModule(url);
  } finally {
    URL.revokeObjectURL(url);
  }
}

function microphoneProblem(error) {
  if (["NotAllowedError", "SecurityError"].includes(error.name)) return text.speech.denied;
  if (["NotFoundError", "OverconstrainedError"].includes(error.name)) return text.speech.missing;
  if (error.name === "TimeoutError") return text.speech.silent;
  return fill(text.speech.unusable, { reason: error.message || error.name });
}
