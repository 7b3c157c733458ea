"""OpenGL without a window (EGL): context, programs, targets and textures of one process.

Works on a GPU and on Mesa's software rasterizer. For the latter set LP_NUM_THREADS=1 and run one
process per core. Pictures are drawn SUPERSAMPLE times larger and averaged down, which is half the
price of four samples per pixel there. A `Renderer` is shared by all people of a process; what
belongs to one person is in `person`.

Flow: shaders -> **renderer** -> person -> clip.
"""

from __future__ import annotations

import cv2
import moderngl
import numpy as np

from flashtalk.errors import FlashTalkError
from lab.synthesis.renderer import shaders

SUPERSAMPLE = 1.5
SHADOW_PX = 256
SCENE_BYTES = 4 * 96  # the uniform block of `shaders.SCENE`


def _open_context() -> moderngl.Context:
    """An OpenGL context without a window; FlashTalkError where this machine has none."""
    try:
        # moderngl annotates its keyword options as one dict
        return moderngl.create_context(
            standalone=True,
            backend="egl",  # type: ignore[arg-type]
        )
    except Exception as error:  # the loaders below raise Exception itself, and ImportError
        raise FlashTalkError(
            f"OpenGL without a window (EGL) could not start: {error}. Heads are drawn with it; "
            "install Mesa with: apt-get install libegl1 libgl1-mesa-dri"
        ) from error


class Renderer:
    """GL context, programs, targets and the texture cache.

    size_px: side of the pictures
    label_px: side of the label grid
    supersample: how much larger pictures are drawn

    Raises FlashTalkError where OpenGL cannot start.
    """

    def __init__(
        self, size_px: int = 256, label_px: int = 64, supersample: float = SUPERSAMPLE
    ) -> None:
        self.context = context = _open_context()
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
            vertex_shader=shaders.LABEL_VERTEX % scene,
            fragment_shader=shaders.LABEL_FRAGMENT % {"face_mark": shaders.FACE_MARK},
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
        self.scene = context.buffer(reserve=SCENE_BYTES, dynamic=True)
        self.scene.bind_to_uniform_block(0)
        corners = context.buffer(np.array([-1, -1, 1, -1, -1, 1, 1, 1], "f4").tobytes())
        self.backdrop = context.vertex_array(
            self.programs["background"], [(corners, "2f", "corner")]
        )
        self._textures: dict[str, moderngl.Texture] = {}
        self._pixels = np.empty((drawn_px, drawn_px, 4), np.uint8)

    def texture(self, key: str, image: np.ndarray) -> moderngl.Texture:
        """Upload an image [H, W, C] in 0..1; one under a key is kept and uploaded once."""
        if not key:
            return self.upload(image)
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
        """The drawn picture, averaged down: uint8 [size, size, 3], top row first."""
        self.target.read_into(self._pixels, components=4)
        size = (self.size_px, self.size_px)
        small = cv2.resize(self._pixels, size, interpolation=cv2.INTER_AREA)
        return np.ascontiguousarray(small[::-1, :, :3])

    def label_target(self, size_px: int) -> moderngl.Framebuffer:
        if size_px not in self.label_targets:
            size = (size_px, size_px)
            self.label_targets[size_px] = self.context.framebuffer(
                [self.context.renderbuffer(size, 4, dtype="f4")],
                self.context.depth_renderbuffer(size),
            )
        return self.label_targets[size_px]
