// A recording from the microphone, with its level while it runs.

const MOST_S = 60;

/** Whether this browser lets this page record; it wants https, or the same computer. */
export const canRecord = () => Boolean(navigator.mediaDevices?.getUserMedia && window.MediaRecorder);

/**
 * Begins to record. `each(level, seconds)` is called with every frame, the level from 0 to 1. Returns {stop, cancel, done}:
 * `done` is the Blob, null where it was cancelled. Raises DOMException where the microphone may not be used.
 */
export async function record(each) {
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: true },
  });
  const recorder = new MediaRecorder(stream);
  const pieces = [];
  let cancelled = false;
  recorder.addEventListener("dataavailable", ({ data }) => data.size && pieces.push(data));
  const ended = new Promise((resolve) => recorder.addEventListener("stop", resolve, { once: true }));
  recorder.start(250);
  const unwatch = watch(stream, each, () => stop());
  const stop = () => recorder.state !== "inactive" && recorder.stop();
  const done = ended.then(() => {
    unwatch();
    for (const track of stream.getTracks()) track.stop();
    return cancelled ? null : new Blob(pieces, { type: recorder.mimeType });
  });
  return { stop, cancel: () => ((cancelled = true), stop()), done };
}

/** Tells level and time until it is called off; a recording is never longer than a minute. */
function watch(stream, each, stop) {
  const context = new AudioContext();
  const analyser = new AnalyserNode(context, { fftSize: 1024 });
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const begin = performance.now();
  let frame = 0;
  const look = () => {
    analyser.getFloatTimeDomainData(samples);
    const seconds = (performance.now() - begin) / 1000;
    each(levelOf(samples), seconds);
    if (seconds >= MOST_S) stop();
    else frame = requestAnimationFrame(look);
  };
  look();
  return () => (cancelAnimationFrame(frame), context.close());
}

/** Loudness from -60 dB to full scale as 0 to 1. */
function levelOf(samples) {
  const power = samples.reduce((sum, value) => sum + value * value, 0) / samples.length;
  return Math.min(1, Math.max(0, 1 + (10 * Math.log10(power + 1e-9)) / 60));
}
