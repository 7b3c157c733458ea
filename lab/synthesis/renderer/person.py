"""Draws one person: pictures, and labels for every cell of the picture.

Flow: rig, materials, lighting, camera, renderer -> **person** -> clip.
"""

from __future__ import annotations

import moderngl
import numpy as np

from lab.synthesis.heads.identity import Identity
from lab.synthesis.heads.library import Library
from lab.synthesis.heads.materials import PART_OF_KIND, PROGRAM_OF_KIND, Material, materials
from lab.synthesis.heads.rig import BODY_SHIFT_SHARE, Pose, Rig
from lab.synthesis.renderer.camera import Camera, look_at, parallel, project
from lab.synthesis.renderer.drawable import Drawable
from lab.synthesis.renderer.lighting import Light
from lab.synthesis.renderer.occlusion import POSE, bake_occlusion
from lab.synthesis.renderer.opengl import Renderer

SHADOW_RADIUS = 3.2  # decimeters around the head that the shadow map covers
TWO_SIDED = ("hair", "brow", "lash", "garment")
HAIR_CUT, BROW_CUT = 0.55, 0.9  # alpha above which foliage is solid, below it is blended
LEAST_ALPHA = {"hair": 0.5, "brow": 0.5, "lash": 0.5, "eyes": 0.6}  # of what a label covers
CLOSED_LIPS = 0.012  # decimeters; teeth are not drawn below
MOUTH_DEPTH = 0.5  # decimeters behind the lips where the mouth is black


class Person:
    """One identity in one light before one background.

    materials: kind -> Material for every piece of the rig
    background: [H, W, 3] in 0..1
    """

    def __init__(
        self,
        renderer: Renderer,
        rig: Rig,
        materials: dict[str, Material],
        light: Light,
        background: np.ndarray,
        camera: Camera,
    ) -> None:
        self.renderer, self.rig, self.light, self.camera = renderer, rig, light, camera
        self.background = renderer.upload(background)
        self.view = camera.matrix(rig.eyes)
        self.parts = [Drawable(renderer, p, rig, materials[p.kind]) for p in rig.pieces]
        self._fixed_written = False
        self.upload_pose(POSE)
        occlusion = bake_occlusion(rig, self._shadow_of)
        for part in self.parts:
            part.write_occlusion(occlusion)

    def release(self) -> None:
        """Free the GPU buffers; textures under a key stay with the renderer."""
        for part in self.parts:
            part.release()
        self.background.release()

    def upload_pose(self, pose: Pose) -> None:
        """Send one moment to the GPU; what does not move is sent once."""
        points, normals = self.rig.deform(pose)
        for part in self.parts:
            if part.piece.moving or part.kind == "eyes" or not self._fixed_written:
                part.write_motion(points, normals)
        self._fixed_written = True

    def write_scene(self, pose: Pose, light_direction: np.ndarray) -> None:
        """Fill the uniform block that every program reads."""
        rig, light = self.rig, self.light
        aim = rig.eyes + np.array([0, -0.6, -0.6])
        toward = look_at(aim + 8 * light_direction, aim, np.array([0, 1, 0.01]))
        self.light_projection = parallel(SHADOW_RADIUS, 0.1, 20) @ toward
        head = np.eye(4)
        head[:3, :3] = pose.rotation()
        lips = rig.landmarks(pose)[0][:2, 2].mean()
        vectors = np.zeros((7, 4))
        vectors[0, :3] = rig.pivot
        vectors[1] = (*pose.shift, BODY_SHIFT_SHARE)
        vectors[2, :3] = self.camera.position(rig.eyes)
        vectors[3, :3], vectors[4, :3] = light.key_direction, light.key_color
        vectors[5, :3], vectors[6, :3] = light.fill_direction, light.fill_color
        ambient = np.zeros((4, 4))
        ambient[:, :3] = light.ambient
        block = [self.view.T, self.light_projection.T, head.T, vectors, ambient]
        block.append(np.array([[lips, MOUTH_DEPTH, 0, 0]]))
        self.renderer.scene.write(np.concatenate(block).astype(np.float32))

    def draw_shadow(self) -> None:
        """Fill the shadow map from the light of `write_scene`."""
        renderer = self.renderer
        renderer.shadow_target.use()
        renderer.shadow_target.clear(depth=1.0)
        renderer.context.enable_only(moderngl.DEPTH_TEST)
        for part in self.parts:
            if part.kind == "hair":
                part.texture.use(0)
                part.arrays["shadow_foliage"].render()
            elif part.kind in ("skin", "garment"):
                part.arrays["shadow"].render()

    def _shadow_of(self, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The shadow map of a light in ``direction``, and its projection."""
        self.write_scene(POSE, direction)
        self.draw_shadow()
        size = self.renderer.shadow_map.width
        depth = np.frombuffer(self.renderer.shadow_map.read(), np.float32)
        return depth.reshape(size, size), self.light_projection

    def draw(self, pose: Pose) -> np.ndarray:
        """Render one moment: uint8 [size, size, 3], top row first."""
        renderer, context = self.renderer, self.renderer.context
        self.upload_pose(pose)
        self.write_scene(pose, self.light.key_direction)
        self.draw_shadow()
        renderer.target.use()
        renderer.target.clear(0, 0, 0, 1, depth=1.0)
        renderer.shadow_map.use(1)
        opened = self.lip_gap(pose) > CLOSED_LIPS
        for part in self.parts:
            if opened or part.kind not in ("teeth", "tongue"):
                self._face(part)
                self._draw(part, PROGRAM_OF_KIND[part.kind])
        context.disable(moderngl.CULL_FACE)
        self.background.use(0)
        renderer.backdrop.render(moderngl.TRIANGLE_STRIP)
        context.enable(moderngl.BLEND)
        renderer.target.depth_mask = False
        for part in self.parts:
            if part.kind in ("brow", "lash", "hair"):
                self._draw(part, "fringe")
            elif part.kind == "eyes":
                self._draw(part, "glint")
        renderer.target.depth_mask = True
        context.disable(moderngl.BLEND)
        return renderer.read_picture()

    def _face(self, part: Drawable) -> None:
        """Leave out what faces away, except in pieces that show their inner side."""
        if part.kind in TWO_SIDED:
            self.renderer.context.disable(moderngl.CULL_FACE)
        else:
            self.renderer.context.enable(moderngl.CULL_FACE)

    def _draw(self, part: Drawable, program_name: str) -> None:
        program, material = self.renderer.programs[program_name], part.material
        part.texture.use(0)
        for name, value in (
            ("tint", tuple(material.tint)),
            ("roughness", material.roughness),
            ("bump", material.bump),
            ("cut", HAIR_CUT if part.kind == "hair" else BROW_CUT),
        ):  # fmt: skip
            if name in program:
                program[name] = value
        part.arrays[program_name].render()

    def lip_gap(self, pose: Pose) -> float:
        """Distance of the inner lips in decimeters."""
        upper, lower = self.rig.landmarks(pose)[0][:2]
        return float(np.linalg.norm(upper - lower))

    def set_portrait(self, pose: Pose) -> None:
        """Store where every vertex lies in the portrait, for `draw_labels`."""
        points, _ = self.rig.deform(pose)
        placed = self.rig.place(points, self.rig.head_weight, pose)
        clip = project(self.view, placed).astype(np.float32)
        for part in self.parts:
            part.portrait.write(np.ascontiguousarray(clip[part.points]))

    def draw_labels(self, pose: Pose, size_px: int, upload: bool = True) -> np.ndarray:
        """Label every cell: float32 [size, size, 4], top row first.

        Channels: x and y in the portrait (clip space, y up), distance from the portrait's camera in
        decimeters (0 where background), part (index into PARTS; FACE_MARK of `shaders` comes on top
        where it belongs to the face). With `upload` False the pose on the GPU is used.
        """
        renderer = self.renderer
        if upload:
            self.upload_pose(pose)
            self.write_scene(pose, self.light.key_direction)
        target = renderer.label_target(size_px)
        target.use()
        target.clear(0, 0, 0, 0, depth=1.0)
        renderer.context.enable_only(moderngl.DEPTH_TEST)
        program = renderer.programs["label"]
        opened = self.lip_gap(pose) > CLOSED_LIPS
        for part in self.parts:
            if part.kind in ("teeth", "tongue") and not opened:
                continue
            self._face(part)
            part.texture.use(0)
            program["part"] = float(PART_OF_KIND[part.kind])
            program["least_alpha"] = LEAST_ALPHA.get(part.kind, 0.0)
            part.arrays["label"].render()
        data = np.frombuffer(target.read(components=4, dtype="f4"), np.float32)
        return data.reshape(size_px, size_px, 4)[::-1]


def make_person(
    library: Library,
    renderer: Renderer,
    identity: Identity,
    light: Light,
    background: np.ndarray,
    camera: Camera,
) -> Person:
    """Put a person in front of the camera."""
    rig = Rig(library, identity, camera.bottom())
    looks = materials(library.textures, identity)
    return Person(renderer, rig, looks, light, background, camera)
