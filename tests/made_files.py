"""Made data sets in the layout of files that may not be redistributed: CelebA, protein_homo."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

__all__ = ["HAIR", "write_celeba", "write_protein_homo"]

HAIR = ("Black_Hair", "Brown_Hair", "Blond_Hair", "Gray_Hair", "Bald")
_ATTRIBUTES = """5_o_Clock_Shadow Arched_Eyebrows Attractive Bags_Under_Eyes Bald Bangs Big_Lips
Big_Nose Black_Hair Blond_Hair Blurry Brown_Hair Bushy_Eyebrows Chubby Double_Chin Eyeglasses Goatee
Gray_Hair Heavy_Makeup High_Cheekbones Male Mouth_Slightly_Open Mustache Narrow_Eyes No_Beard
Oval_Face Pale_Skin Pointy_Nose Receding_Hairline Rosy_Cheeks Sideburns Smiling Straight_Hair
Wavy_Hair Wearing_Earrings Wearing_Hat Wearing_Lipstick Wearing_Necklace Wearing_Necktie
Young"""


def write_celeba(home: Path, faces: Sequence[tuple[Sequence[str], np.ndarray | None]]) -> Path:
    """Writes `home`/celeba as CelebA is distributed; returns the folder of the images.

    `faces` are pairs of a face's hair types and its pixels `[218, 178, 3]` (uint8), or None for a
    face in the list whose file is missing.
    """
    folder = home / "celeba" / "img_align_celeba"
    folder.mkdir(parents=True)
    attributes = _ATTRIBUTES.split()
    lines = [str(len(faces)), " ".join(attributes) + " "]
    for number, (kinds, pixels) in enumerate(faces, 1):
        name = f"{number:06d}.jpg"
        lines.append(f"{name} " + " ".join(" 1" if a in kinds else "-1" for a in attributes))
        if pixels is not None:
            Image.fromarray(pixels).save(folder / name)
    (home / "celeba" / "list_attr_celeba.txt").write_text("\n".join(lines) + "\n")
    return folder


def write_protein_homo(home: Path, minority: int = 1296) -> Path:
    """Writes `home`/zenodo/x26data.npz with the shape of protein_homo; returns its path.

    The minority rows are the last ones and differ in the first column.
    """
    path = home / "zenodo" / "x26data.npz"
    path.parent.mkdir(parents=True)
    label = np.full(145_751, -1, np.int8)
    label[-minority:] = 1
    data = np.zeros((len(label), 74), np.int8)
    data[:, 0] = label + np.arange(len(label)) % 3
    data[:, 1:] = np.arange(73) + np.arange(len(label))[:, None] % 5
    np.savez_compressed(path, data=data, label=label)
    return path
