"""One clip: a performance played on a random person, and everything the trainer wants to know.

These are the files of clip N in the output folder. ``N.mp4`` has picture and sound, for people and
for training. ``N.wav`` is 16 kHz mono. ``N.png`` is a portrait of the same person in the same light
and camera. Its head is held as in one frame of the clip; expression and gaze are invented.
``N.npz`` has the arrays of `Labels`.

Flow: performance, person -> **clip** -> factory. T frames, L landmarks, K curves, G = 64 label
cells a side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lab.synthesis.heads.identity import sample_identity
from lab.synthesis.heads.library import LANDMARKS, Library
from lab.synthesis.heads.materials import PARTS
from lab.synthesis.heads.rig import Pose
from lab.synthesis.performance import Performance
from lab.synthesis.renderer.camera import Camera, project
from lab.synthesis.renderer.lighting import sample_background, sample_light
from lab.synthesis.renderer.opengl import Renderer
from lab.synthesis.renderer.person import Person, make_person
from lab.synthesis.renderer.shaders import FACE_MARK

CURVES: tuple[str, ...] = (
    "lip_gap", "lip_width", "left_eye_opening", "right_eye_opening",  # over the eyes' distance
    "yaw", "pitch", "roll",  # radians
    "shift_x", "shift_y", "shift_z",  # decimeters
    "gaze_x", "gaze_y",  # radians
)  # fmt: skip
ZOOM = (0.8, 1.25)
OFFSET = 0.06  # of the frame
CALM = {"browInnerUp": 0.18}  # takes the frown off every head
DEPTH_PX = 256  # of the portrait's depth picture
DEPTH_SLACK = 0.05  # decimeters; a point this much behind the portrait's surface is still on it
MOUTH, EYES = PARTS.index("mouth"), PARTS.index("eyes")
SMILES = ("mouthSmileLeft", "mouthSmileRight")
UPPER_LIP = ("mouthUpperUpLeft", "mouthUpperUpRight")
LOWER_LIP = ("mouthLowerDownLeft", "mouthLowerDownRight")


@dataclass(frozen=True)
class Labels:
    """Labels of every frame.

    flow: [T, G, G, 2] float16, where a cell's surface point lies in the portrait, x and y in -1..1
        from the left and top edge (``grid_sample`` with align_corners=False)
    parts: [T, G, G] uint8, index into PARTS
    visible: [T, G, G] uint8, 1 where the portrait shows that surface point
    face: [T, G, G] bool, the face from hairline to jaw with eyes, brows and mouth; what hides it
        (hair), ears and neck are left out
    landmarks: [T, L, 2] float32 and portrait_landmarks [L, 2], picture coordinates in -1..1
    curves, portrait_curves: [T, K] float16 and [K], named by CURVES
    """

    flow: np.ndarray
    parts: np.ndarray
    visible: np.ndarray
    face: np.ndarray
    landmarks: np.ndarray
    portrait_landmarks: np.ndarray
    curves: np.ndarray
    portrait_curves: np.ndarray


@dataclass(frozen=True)
class Clip:
    """A rendered clip: frames [T, H, W, 3] and portrait [H, W, 3] uint8, labels, identity line."""

    frames: np.ndarray
    portrait: np.ndarray
    labels: Labels
    identity: str


def stage_clip(library: Library, renderer: Renderer, seed: int) -> Person:
    """A new person in a new light, before a new background and camera."""
    rng = np.random.default_rng([seed, 2])
    light, background = sample_light(rng), sample_background(rng, renderer.size_px)
    camera = Camera(
        zoom=rng.uniform(*ZOOM),
        offset=tuple(rng.uniform(-OFFSET, OFFSET, 2)),
        turn=tuple(rng.normal(0, (0.05, 0.04)).clip(-0.12, 0.12)),
    )
    identity = sample_identity(seed, library.assets, library.base)
    return make_person(library, renderer, identity, light, background, camera)


def poses(performance: Performance) -> list[Pose]:
    """The performance frame by frame."""
    names = list(performance.weights)
    table = np.stack([performance.weights[name] for name in names], 1)
    moments = []
    for t, row in enumerate(table):
        weights = {name: float(value) for name, value in zip(names, row, strict=True)}
        for name, value in CALM.items():
            weights[name] = weights.get(name, 0.0) + value
        moments.append(
            Pose(
                weights,
                float(performance.yaw[t]),
                float(performance.pitch[t]),
                float(performance.roll[t]),
                tuple(performance.gaze[t]),
                tuple(performance.shift[t]),
            )
        )
    return moments


def sample_portrait_pose(performance: Performance, seed: int) -> Pose:
    """A calm face at one frame's place: eyes open and at the camera, mouth closed, parted, smiling.

    Turn and shift of the head are those of a frame of the performance. Expression and gaze are
    invented and need not occur in it. So a talk goes on around the pose of its portrait. With
    unrelated poses, everybody would turn to the camera within a minute. Half of each face would
    have to be made up.
    """
    rng = np.random.default_rng([seed, 3])
    moment = rng.integers(performance.frames)
    yaw, pitch, roll = (
        float(turn[moment]) for turn in (performance.yaw, performance.pitch, performance.roll)
    )
    weights = dict(CALM)
    mood = rng.choice(["closed", "parted", "smile", "teeth"], p=[0.35, 0.15, 0.15, 0.35])
    if mood == "parted":
        weights["jawOpen"] = rng.uniform(0.03, 0.12)
    elif mood in ("smile", "teeth"):
        weights |= dict.fromkeys(SMILES, rng.uniform(0.15, 0.5))
        if mood == "teeth":  # as for a photographer: most pictures that people bring show teeth
            weights |= dict.fromkeys(SMILES, rng.uniform(0.25, 0.75))
            weights |= dict.fromkeys(UPPER_LIP, rng.uniform(0.2, 0.7))
            weights |= dict.fromkeys(LOWER_LIP, rng.uniform(0.1, 0.5))
            weights["jawOpen"] = rng.uniform(0.02, 0.14)
    gaze = np.array([-0.6 * yaw, 0.45 * pitch]) + rng.normal(0, 0.03, 2)
    return Pose(weights, yaw, pitch, roll, tuple(gaze), tuple(performance.shift[moment]))


def render_clip(library: Library, renderer: Renderer, performance: Performance, seed: int) -> Clip:
    """Render the performance on the person of `seed`, with its portrait and labels."""
    person = stage_clip(library, renderer, seed)
    try:
        portrait_pose = sample_portrait_pose(performance, seed)
        portrait = person.draw(portrait_pose)
        person.set_portrait(portrait_pose)
        portrait_labels = person.draw_labels(portrait_pose, DEPTH_PX, upload=False)
        moments = poses(performance)
        size, cells = renderer.size_px, renderer.label_px
        frames = np.empty((len(moments), size, size, 3), np.uint8)
        raw = np.empty((len(moments), cells, cells, 4), np.float32)
        for t, pose in enumerate(moments):
            frames[t] = person.draw(pose)
            raw[t] = person.draw_labels(pose, cells, upload=False)
        flow, parts, visible = decode_labels(raw, portrait_labels)
        measured = [measure(person, pose) for pose in (portrait_pose, *moments)]
        landmarks = np.stack([points for points, _ in measured]).astype(np.float32)
        curves = np.stack([values for _, values in measured]).astype(np.float16)
        labels = Labels(
            flow=flow,
            parts=parts,
            visible=visible,
            face=face_mask(raw),
            landmarks=landmarks[1:],
            portrait_landmarks=landmarks[0],
            curves=curves[1:],
            portrait_curves=curves[0],
        )
        return Clip(frames, portrait, labels, person.rig.identity.describe())
    finally:
        person.release()


def decode_labels(
    raw: np.ndarray, portrait: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels as drawn [T, G, G, 4] -> flow, parts, visible; `portrait` is [D, D, 4], its own.

    A point is visible when the portrait's surface there is not nearer to the camera. Inside mouth
    and eyes the portrait must also show mouth or eye there.
    """
    cells, size = raw.shape[1], len(portrait)
    parts = raw[..., 3].round().astype(np.uint8)
    flow = raw[..., :2] * np.array([1, -1], np.float32)  # pictures count from the top
    centers = (np.arange(cells, dtype=np.float32) + 0.5) * 2 / cells - 1
    still = np.stack(np.meshgrid(centers, centers), -1)
    flow = np.where(parts[..., None] == 0, still, flow)
    column, row = np.moveaxis(((flow + 1) / 2 * size).astype(np.int64), -1, 0)
    within = (column >= 0) & (column < size) & (row >= 0) & (row < size)
    column, row = column.clip(0, size - 1), row.clip(0, size - 1)
    depth = np.where(portrait[..., 3] == 0, 99, portrait[..., 2])
    own = portrait[..., 3].round().astype(np.uint8)
    visible = raw[..., 2] < depth[row, column] + DEPTH_SLACK
    shown = own[row, column]
    for part in (MOUTH, EYES):
        visible &= (parts != part) | (shown == part)
    visible = np.where(parts == 0, shown == 0, visible) & within
    return flow.astype(np.float16), parts, visible.astype(np.uint8)


def face_mask(raw: np.ndarray) -> np.ndarray:
    """Labels as drawn [..., G, G, 4] -> whether a cell shows the face, bool [..., G, G]."""
    return raw[..., 3] % 1 > FACE_MARK / 2


def measure(person: Person, pose: Pose) -> tuple[np.ndarray, np.ndarray]:
    """Landmarks [L, 2] in the picture and curves [K] of one moment."""
    face, placed = person.rig.landmarks(pose)
    clip = project(person.view, placed)
    picture = clip[:, :2] / clip[:, 2:] * np.array([1, -1])
    at = {name: face[k] for k, name in enumerate(LANDMARKS)}
    left, right = person.rig.eye_centers["left"], person.rig.eye_centers["right"]
    eyes = np.linalg.norm(left - right)

    def distance(a: str, b: str) -> float:
        return float(np.linalg.norm(at[a] - at[b]) / eyes)

    curves = (
        distance("inner_upper_lip", "inner_lower_lip"),
        distance("left_mouth_corner", "right_mouth_corner"),
        distance("left_eye_upper", "left_eye_lower"),
        distance("right_eye_upper", "right_eye_lower"),
        pose.yaw, pose.pitch, pose.roll, *pose.shift, *pose.gaze,
    )  # fmt: skip
    return picture, np.array(curves)
