from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor

from bouba.errors import ModelBroken, ModelMissing
from bouba.training.export import export_graph
from bouba.training.export.precision import store_as
from bouba.training.towers.base import Origin
from bouba.training.towers.yamnet import LogMel, SoundTower, open_sound_tower

HANN = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)).astype(np.float32)
CLIPS = 12  # of the 400, evenly spread: each of the ten classes is among them


def random_mel() -> np.ndarray:
    mel = np.random.default_rng(0).uniform(0, 1e-2, (64, 257)).astype(np.float32)
    mel[:, :4] = mel[:, 240:] = 0
    return mel


@pytest.fixture(scope="module")
def random_tower() -> SoundTower:
    torch.manual_seed(0)
    floor = np.full(64, 1e-3, np.float32)
    return SoundTower("random", LogMel(HANN, random_mel(), floor), [str(i) for i in range(521)], Origin())


def noise(n: int) -> Tensor:
    return torch.rand((n, 15_600), generator=torch.Generator().manual_seed(n)) - 0.5


def test_the_patch_is_the_log_of_a_mel_spectrum(random_tower):
    waveform = noise(3)
    frames = np.stack([waveform.numpy()[:, i * 160 : i * 160 + 400] for i in range(96)], axis=1).astype(np.float64)
    spectrum = np.abs(np.fft.rfft(frames * HANN, 512))
    patch = random_tower.front(waveform).numpy()
    assert patch.shape == (3, 96, 64)
    np.testing.assert_allclose(patch, np.log(spectrum @ random_mel().T + 1e-3), atol=1e-4)


def test_silence_is_the_floor(random_tower):
    np.testing.assert_allclose(random_tower.front(torch.zeros(1, 15_600)).numpy(), np.log(1e-3), rtol=1e-6)


@pytest.mark.parametrize(
    ("window", "mel", "floor", "said"),
    [
        (HANN[1:], random_mel(), np.ones(64), r"window \(399,\)"),
        (HANN, random_mel()[:, :-1], np.ones(64), r"mel filters \(64, 256\)"),
        (HANN, random_mel(), np.ones(1), r"floor \(1,\)"),
        (HANN + 1, random_mel(), np.ones(64), "the window starts with 1.0, not 0"),
    ],
)
def test_a_front_end_of_another_form(window, mel, floor, said):
    with pytest.raises(ValueError, match=said):
        LogMel(window, mel, floor)


def test_shapes_and_what_is_known(random_tower):
    features, scores = random_tower(noise(2))
    assert (features.shape, scores.shape) == ((2, 1024), (2, 521))
    assert torch.equal(random_tower.features(noise(2)), features)
    assert torch.equal(random_tower.scores(features), scores)
    assert 0 <= scores.min() <= scores.max() <= 1
    assert (random_tower.rate, random_tower.window, random_tower.hop) == (16_000, 15_600, 7_800)
    assert not random_tower.training


def test_a_window_has_the_same_vector_in_any_batch(random_tower, tmp_path):
    path = tmp_path / "sound.onnx"
    export_graph(random_tower, {"waveform": noise(2)}, ["embedding", "scores"], path)
    onnx.save(store_as(onnx.load(path), "int8-weights"), path)
    assert path.stat().st_size < 4_500_000
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    waveform = noise(32).numpy()
    alone = [session.run(None, {"waveform": row[None]}) for row in waveform]
    for size in (7, 32):
        for start in range(0, 32, size):
            batch = session.run(None, {"waveform": waveform[start : start + size]})
            for output, place in zip(batch, range(2), strict=True):
                wanted = np.concatenate([one[place] for one in alone[start : start + size]])
                np.testing.assert_allclose(output, wanted, atol=1e-6)


def test_only_the_body_is_stored_in_int8(random_tower, tmp_path):
    """The transform's tables would cost a spectrum its quiet half."""
    path = tmp_path / "sound.onnx"
    export_graph(random_tower, {"waveform": noise(2)}, ["embedding", "scores"], path)
    small = store_as(onnx.load(path), "int8-weights")
    options = onnxruntime.SessionOptions()
    patch = next(node for node in small.graph.node if node.op_type == "Log").output[0]
    small.graph.output.append(onnx.helper.make_tensor_value_info(patch, onnx.TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(small.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found = session.run([patch], {"waveform": noise(2).numpy()})[0]
    with torch.no_grad():
        np.testing.assert_allclose(found.swapaxes(1, 2), random_tower.front(noise(2)).numpy(), atol=1e-4)


@pytest.fixture(scope="module")
def published(shared: Path) -> Path:
    pytest.importorskip("ai_edge_litert", reason="not installed: the rebuild extra")
    return shared.parent / "models" / "yamnet" / "yamnet.tflite"


@pytest.fixture(scope="module")
def tower(published: Path) -> SoundTower:
    return open_sound_tower(published)


@pytest.fixture(scope="module")
def windows(shared: Path) -> np.ndarray:
    """The second window of each clip: float32 [12, 15600]."""
    rows = [json.loads(line) for line in (shared / "sounds" / "clips.jsonl").read_text().splitlines()]
    return np.stack([decode(shared / "sounds" / row["audio"])[7_800:23_400] for row in rows[:: len(rows) // CLIPS]])


def decode(path: Path) -> np.ndarray:
    av = pytest.importorskip("av")
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("fltp", "mono", 16_000)
        frames = [made for frame in container.decode(audio=0) for made in resampler.resample(frame)]
        return np.concatenate([frame.to_ndarray()[0] for frame in [*frames, *resampler.resample(None)]])


class Original:
    """TensorFlow Lite itself, and the integers and scales of its file."""

    def __init__(self, path: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self.engine = Interpreter(str(path), num_threads=1, experimental_preserve_all_tensors=True)
        self.engine.allocate_tensors()
        self.tensors = {tensor["index"]: tensor for tensor in self.engine.get_tensor_details()}
        self.operators = [o for o in self.engine._get_ops_details() if o["op_name"] != "DELEGATE"]

    def run(self, window: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Patch [96, 64], features as integers [1024], scores [521]."""
        self.engine.set_tensor(self.engine.get_input_details()[0]["index"], window)
        self.engine.invoke()
        places = [next(o for o in self.operators if o["op_name"] == kind) for kind in ("LOG", "MEAN", "DEQUANTIZE")]
        return tuple(self.engine.get_tensor(int(o["outputs"][0])).squeeze().copy() for o in places)

    def grid(self, kind: str, place: int = 0) -> tuple[Tensor, int]:
        operator = [o for o in self.operators if o["op_name"] == kind][place]
        found = self.tensors[int(operator["outputs"][0])]["quantization_parameters"]
        return torch.tensor(found["scales"]), int(found["zero_points"][0])

    def layers(self) -> list[tuple[Tensor, Tensor, int]]:
        """Of each convolution: the weights' scales [out], its result's scale and zero."""
        found = []
        for operator in self.operators:
            if operator["op_name"].endswith("CONV_2D"):
                weight, result = (self.tensors[int(i)] for i in (operator["inputs"][1], operator["outputs"][0]))
                grid = result["quantization_parameters"]
                scales = torch.tensor(weight["quantization_parameters"]["scales"])
                found.append((scales, torch.tensor(grid["scales"]), int(grid["zero_points"][0])))
        return found


@pytest.fixture(scope="module")
def original(published: Path) -> Original:
    return Original(published)


def test_patches_are_the_originals(tower, original, windows):
    for window in windows:
        with torch.no_grad():
            patch = tower.front(torch.tensor(window[None]))[0]
        np.testing.assert_allclose(patch.numpy(), original.run(window)[0], atol=2e-3)  # float32 either side


def rounded_features(tower: SoundTower, original: Original, patch: np.ndarray) -> np.ndarray:
    """The tower's own convolutions on the integers that TensorFlow Lite rounds every activation to."""

    def to_grid(real: Tensor, zero: int) -> Tensor:
        return (real.float().round() + zero).clamp(-128, 127).double()

    scale, zero = original.grid("QUANTIZE")
    x = to_grid(torch.tensor(patch)[None, None] / scale, zero)
    for layer, (weights, wanted, wanted_zero) in zip(tower.body, original.layers(), strict=True):
        conv, step = copy.deepcopy(layer.conv).double(), (scale * weights).double()
        conv.weight.data = (conv.weight.data / weights.double().view(-1, 1, 1, 1)).round()
        conv.bias.data = (conv.bias.data / step).round()
        x = to_grid(conv(x - zero).float() * (scale * weights / wanted).view(1, -1, 1, 1), wanted_zero)
        scale, zero = wanted, wanted_zero
    wanted, wanted_zero = original.grid("MEAN")
    return to_grid((x - zero).mean((2, 3)).float() * (scale / wanted), wanted_zero)[0].numpy()


def test_rounded_as_the_original_rounds_it_gives_the_same_integers(tower, original, windows):
    same = []
    for window in windows[::2]:
        patch, features, _ = original.run(window)
        with torch.no_grad():
            same.append(rounded_features(tower, original, patch) == features)
    assert np.mean(same) > 0.999  # all of them with its XNNPACK kernels; others differ in the last bit


def test_the_classifier_is_the_originals(tower, original, windows):
    scale, zero = original.grid("MEAN")
    for window in windows:
        _, features, scores = original.run(window)
        with torch.no_grad():
            found = tower.scores((torch.tensor(features).float() - zero) * scale).numpy()
        logits = [np.log(np.clip(p, 1e-3, 0.999) / (1 - np.clip(p, 1e-3, 0.999))) for p in (found, scores)]
        heard = (scores > 0.05) & (scores < 0.95)
        assert np.abs(logits[0] - logits[1])[heard].max(initial=0) < 0.35 / 2 + 0.05  # half of its logits' step


def test_without_its_rounding_the_same_is_heard(tower, original, windows):
    wanted = np.stack([original.run(window)[2] for window in windows])
    with torch.no_grad():
        found = tower(torch.tensor(windows))[1].numpy()
    assert np.abs(found - wanted).mean() < 1e-3
    best = wanted.argmax(axis=1)
    assert all(index in row.argsort()[-3:] for index, row in zip(best, found, strict=True))


def test_names_and_licence(tower):
    assert len(tower.class_names) == 521
    assert (tower.class_names[0], tower.class_names[69]) == ("Speech", "Dog")
    assert (tower.licence, "tensorflow/models" in tower.url) == ("Apache-2.0", True)


def test_labels_are_needed(published, tmp_path):
    model = tmp_path / "yamnet.tflite"
    model.symlink_to(published)
    with pytest.raises(ModelMissing, match=r"labels\.txt is not a file: the names of YAMNet's classes"):
        open_sound_tower(model)
    (tmp_path / "labels.txt").write_text("Speech\nDog\n")
    with pytest.raises(ModelBroken, match=r"labels\.txt has 2 class names, and YAMNet has 521 classes"):
        open_sound_tower(model)
