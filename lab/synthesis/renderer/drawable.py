"""One piece of a person on the GPU: vertex buffers and one vertex array per program.

What moves (position, normal) and what does not (texture coordinate, occlusion, head weight, inside
of the mouth, part of the face) lie in two buffers. A third holds where every vertex lies in the
portrait.

Flow: rig, materials, renderer -> **drawable** -> person.
"""

from __future__ import annotations

import moderngl
import numpy as np

from lab.synthesis.heads.materials import PROGRAM_OF_KIND, SECOND_PROGRAM, Material
from lab.synthesis.heads.rig import Piece, Rig
from lab.synthesis.renderer.opengl import Renderer


class Drawable:
    """GPU side of one piece."""

    def __init__(self, renderer: Renderer, piece: Piece, rig: Rig, material: Material) -> None:
        context, self.piece, self.kind = renderer.context, piece, piece.kind
        self.material = material
        self.points = piece.split + piece.points.start  # rows of the rig's arrays
        self.staging = np.empty((len(self.points), 6), np.float32)
        self.motion = context.buffer(reserve=self.staging.nbytes, dynamic=True)
        self.fixed = np.empty((len(self.points), 6), np.float32)
        self.fixed[:, :2] = piece.coordinates
        self.fixed[:, 2] = 1.0
        self.fixed[:, 3] = rig.head_weight[self.points]
        self.fixed[:, 4] = rig.inside[self.points]
        self.fixed[:, 5] = rig.face[self.points]
        self.still = context.buffer(self.fixed.tobytes())
        self.portrait = context.buffer(reserve=len(self.points) * 12)
        self.index = context.buffer(piece.corners.tobytes())
        self.texture = renderer.texture(material.key, material.image)
        name = PROGRAM_OF_KIND[piece.kind]
        self.arrays: dict[str, moderngl.VertexArray] = {}
        self._bind(renderer, name, "3f 3f", ("position", "normal"), "2f 1f 1f 1f 4x",
                   ("coordinate", "occlusion", "head_weight", "inside"))  # fmt: skip
        second = SECOND_PROGRAM.get(name)
        if second:
            self._bind(renderer, second, "3f 3f", ("position", "normal"), "2f 1f 1f 1f 4x",
                       ("coordinate", "occlusion", "head_weight", "inside"))  # fmt: skip
        self._bind(renderer, "shadow", "3f 12x", ("position",), "12x 1f 8x", ("head_weight",))
        self._bind(renderer, "shadow_foliage", "3f 12x", ("position",), "2f 4x 1f 8x",
                   ("coordinate", "head_weight"))  # fmt: skip
        self._bind(renderer, "label", "3f 12x", ("position",), "2f 4x 1f 1f 1f",
                   ("coordinate", "head_weight", "inside", "face"))  # fmt: skip

    def _bind(
        self,
        renderer: Renderer,
        name: str,
        motion_format: str,
        motion_names: tuple[str, ...],
        still_format: str,
        still_names: tuple[str, ...],
    ) -> None:
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
        if not self.material.key:
            self.texture.release()
