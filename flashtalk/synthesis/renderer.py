"""Draws one person with OpenGL (EGL, no window): pictures, and labels for every picture cell.

Works on a GPU and on Mesa's software rasterizer; for the latter set LP_NUM_THREADS=1 and run one
process per core.  Pictures are drawn SUPERSAMPLE times larger and averaged down, which
is three times cheaper there than four samples per pixel.  A `Renderer` owns the context and is shared by all people of a process, a
`Person` owns the buffers of one identity.

Flow: rig, textures, lighting, camera -> **renderer** -> factory.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import moderngl
import numpy as np

from flashtalk.synthesis import shaders
from flashtalk.synthesis.camera import Camera, look_at, parallel, project
from flashtalk.synthesis.lighting import Light
from flashtalk.synthesis.occlusion import bake_occlusion
from flashtalk.synthesis.rig import BODY_SHIFT_SHARE, Piece, Pose, Rig

SUPERSAMPLE = 1.5
SHADOW_PX = 256
SHADOW_RADIUS = 3.2  # decimetres around the head that the shadow map covers
PARTS = ("background", "skin", "mouth", "eyes", "hair", "clothes")
PART_OF_KIND = {
    "skin": 1, "teeth": 2, "tongue": 2, "eyes": 3, "brow": 4, "lash": 4, "hair": 4, "garment": 5,
}  # fmt: skip
MATERIAL_OF_KIND = {
    "skin": "skin", "teeth": "mouth", "tongue": "mouth", "eyes": "eyes", "brow": "foliage",
    "lash": "foliage", "hair": "foliage", "garment": "cloth",
}  # fmt: skip
LEAST_ALPHA = {"hair": 0.5, "brow": 0.5, "lash": 0.5, "eyes": 0.6}
TWO_SIDED = ("hair", "brow", "lash", "garment")
HAIR_CUT, BROW_CUT = 0.55, 0.9  # alpha above which foliage is solid, below it is blended
CLOSED_LIPS = 0.012  # decimetres; teeth are not drawn below
MOUTH_DEPTH = 0.62  # decimetres behind the lips where the mouth is black


@dataclass(frozen=True)
class Material:
    """How a piece looks: image key and pixels, color factor, roughness, bumpiness."""

    key: str
    image: np.ndarray
    tint: np.ndarray
    roughness: float = 0.45
    bump: float = 0.0


class Renderer:
    """GL context, programs, targets and the texture cache.

    size_px: side of the pictures
    label_px: side of the label grid
    supersample: how much larger pictures are drawn
    """

    def __init__(
        self, size_px: int = 256, label_px: int = 64, supersample: float = SUPERSAMPLE
    ) -> None:
        self.context = context = moderngl.create_context(standalone=True, backend="egl")
        self.size_px, self.label_px = size_px, label_px
        scene = {"scene": shaders.SCENE}
        self.programs = {
            name: context.program(
                vertex_shader=shaders.MAIN_VERTEX % scene,
                fragment_shader=shaders.MAIN_FRAGMENT % {**scene, "material": number},
            )
            for name, number in shaders.MATERIALS.items()
        }
        self.programs["shadow"] = context.program(
            vertex_shader=shaders.SHADOW_VERTEX % scene, fragment_shader=shaders.SHADOW_FRAGMENT
        )
        self.programs["shadow_foliage"] = context.program(
            vertex_shader=shaders.SHADOW_VERTEX % scene,
            fragment_shader=shaders.SHADOW_FRAGMENT_FOLIAGE,
        )
        self.programs["label"] = context.program(
            vertex_shader=shaders.LABEL_VERTEX % scene, fragment_shader=shaders.LABEL_FRAGMENT
        )
        self.programs["background"] = context.program(
            vertex_shader=shaders.BACKGROUND_VERTEX, fragment_shader=shaders.BACKGROUND_FRAGMENT
        )
        for program in self.programs.values():
            for name, unit in (("image", 0), ("shadow_map", 1)):
                if name in program:
                    program[name] = unit
        drawn_px = round(size_px * supersample)
        size = (drawn_px, drawn_px)
        self.target = context.framebuffer(
            [context.renderbuffer(size, 4)], context.depth_renderbuffer(size)
        )
        self.label_targets: dict[int, moderngl.Framebuffer] = {}
        self.shadow_map = context.depth_texture((SHADOW_PX, SHADOW_PX))
        self.shadow_map.compare_func = "<="
        self.shadow_map.filter = (moderngl.LINEAR, moderngl.LINEAR)
        self.shadow_target = context.framebuffer([], self.shadow_map)
        self.scene = context.buffer(reserve=4 * 96, dynamic=True)
        self.scene.bind_to_uniform_block(0)
        corners = context.buffer(np.array([-1, -1, 1, -1, -1, 1, 1, 1], "f4").tobytes())
        self.backdrop = context.vertex_array(
            self.programs["background"], [(corners, "2f", "corner")]
        )
        self._textures: dict[str, moderngl.Texture] = {}
        self._pixels = np.empty((drawn_px, drawn_px, 4), np.uint8)

    def texture(self, key: str, image: np.ndarray) -> moderngl.Texture:
        """Upload an image [H, W, C] in 0..1 under a key; a known key is not uploaded again."""
        if key not in self._textures:
            self._textures[key] = self.upload(image)
        return self._textures[key]

    def upload(self, image: np.ndarray) -> moderngl.Texture:
        height, width, channels = image.shape
        pixels = np.full((height, width, 4), 255, np.uint8)  # four channels: aligned reads
        pixels[..., :channels] = np.clip(image[::-1], 0, 1) * 255
        texture = self.context.texture((width, height), 4, pixels)
        texture.build_mipmaps()
        texture.filter = (moderngl.LINEAR_MIPMAP_NEAREST, moderngl.LINEAR)
        return texture

    def read_picture(self) -> np.ndarray:
        """What was drawn, averaged down: uint8 [size, size, 3], top row first."""
        self.target.read_into(self._pixels, components=4)
        size = (self.size_px, self.size_px)
        small = cv2.resize(self._pixels, size, interpolation=cv2.INTER_AREA)
        return np.ascontiguousarray(small[::-1, :, :3])

    def label_target(self, size_px: int) -> moderngl.Framebuffer:
        if size_px not in self.label_targets:
            size = (size_px, size_px)
            self.label_targets[size_px] = self.context.framebuffer(
                [self.context.renderbuffer(size, 4, dtype="f4")], self.context.depth_renderbuffer(size)
            )
        return self.label_targets[size_px]


class _Drawable:
    """GPU side of one piece."""

    def __init__(self, renderer: Renderer, piece: Piece, rig: Rig, material: Material) -> None:
        context, self.piece, self.kind = renderer.context, piece, piece.kind
        self.material = material
        self.points = piece.split + piece.points.start  # rows of the rig's arrays
        self.staging = np.empty((len(self.points), 6), np.float32)
        self.motion = context.buffer(reserve=self.staging.nbytes, dynamic=True)
        self.fixed = np.empty((len(self.points), 5), np.float32)
        self.fixed[:, :2] = piece.coordinates
        self.fixed[:, 2] = 1.0
        self.fixed[:, 3] = rig.head_weight[self.points]
        self.fixed[:, 4] = rig.inside[self.points]
        self.still = context.buffer(self.fixed.tobytes())
        self.portrait = context.buffer(reserve=len(self.points) * 12)
        self.index = context.buffer(piece.corners.tobytes())
        self.texture = renderer.texture(material.key, material.image)
        name = MATERIAL_OF_KIND[piece.kind]
        self.arrays: dict[str, moderngl.VertexArray] = {}
        self._bind(renderer, name, "3f 3f", ("position", "normal"), "2f 1f 1f 1f",
                   ("coordinate", "occlusion", "head_weight", "inside"))  # fmt: skip
        second = {"eyes": "glint", "foliage": "fringe"}.get(name)
        if second:
            self._bind(renderer, second, "3f 3f", ("position", "normal"), "2f 1f 1f 1f",
                       ("coordinate", "occlusion", "head_weight", "inside"))  # fmt: skip
        self._bind(renderer, "shadow", "3f 12x", ("position",), "12x 1f 4x", ("head_weight",))
        self._bind(renderer, "shadow_foliage", "3f 12x", ("position",), "2f 4x 1f 4x",
                   ("coordinate", "head_weight"))  # fmt: skip
        self._bind(renderer, "label", "3f 12x", ("position",), "2f 4x 1f 1f",
                   ("coordinate", "head_weight", "inside"))  # fmt: skip

    def _bind(self, renderer, name, motion_format, motion_names, still_format, still_names) -> None:
        program = renderer.programs[name]

        def known(layout: str, names: tuple[str, ...]) -> tuple[str, list[str]]:
            # what the compiler removed from a program must become padding
            words, rest, kept = [], list(names), []
            for word in layout.split():
                if word.endswith("x"):
                    words.append(word)
                elif rest[0] in program:
                    words.append(word)
                    kept.append(rest.pop(0))
                else:
                    rest.pop(0)
                    words.append(f"{4 * int(word[:-1])}x")
            return " ".join(words), kept

        content = []
        for buffer, layout, names in (
            (self.motion, motion_format, motion_names),
            (self.still, still_format, still_names),
            (self.portrait, "3f", ("portrait",)),
        ):
            layout, kept = known(layout, names)
            if kept:
                content.append((buffer, layout, *kept))
        self.arrays[name] = renderer.context.vertex_array(program, content, self.index)

    def write_motion(self, points: np.ndarray, normals: np.ndarray) -> None:
        np.take(points, self.points, 0, self.staging[:, :3])
        np.take(normals, self.points, 0, self.staging[:, 3:])
        self.motion.write(self.staging)

    def write_occlusion(self, occlusion: np.ndarray) -> None:
        self.fixed[:, 2] = occlusion[self.points]
        self.still.write(self.fixed)

    def release(self) -> None:
        for array in self.arrays.values():
            array.release()
        for buffer in (self.motion, self.still, self.portrait, self.index):
            buffer.release()


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
        self.parts = [_Drawable(renderer, p, rig, materials[p.kind]) for p in rig.pieces]
        self._fixed_written = False
        occlusion = bake_occlusion(self)
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
                self._draw(part, MATERIAL_OF_KIND[part.kind])
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

    def _face(self, part: _Drawable) -> None:
        """Leave out what faces away, except in pieces that show their inner side."""
        if part.kind in TWO_SIDED:
            self.renderer.context.disable(moderngl.CULL_FACE)
        else:
            self.renderer.context.enable(moderngl.CULL_FACE)

    def _draw(self, part: _Drawable, program_name: str) -> None:
        program, material = self.renderer.programs[program_name], part.material
        part.texture.use(0)
        for name, value in (
            ("tint", tuple(material.tint)), ("roughness", material.roughness), ("bump", material.bump),
            ("cut", HAIR_CUT if part.kind == "hair" else BROW_CUT),
        ):  # fmt: skip
            if name in program:
                program[name] = value
        part.arrays[program_name].render()

    def lip_gap(self, pose: Pose) -> float:
        """Distance of the inner lips in decimetres."""
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

        Channels: x and y in the portrait (clip space, y up), distance from the portrait's camera
        in decimetres (0 where background), part (index into PARTS).  With `upload` False the pose
        on the GPU is used.
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
