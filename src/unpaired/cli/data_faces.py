"""`unpaired data faces`: finds the faces in folders of pictures once, for losses and metrics that look at them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from unpaired.cli.progress_bar import progress_bar
from unpaired.errors import Problem, UserError, raise_if_any

if TYPE_CHECKING:
    from PIL import Image

    from unpaired.data.faces import Face, PictureFaces
    from unpaired.data.images import BadPicture
    from unpaired.data.listing import Listing
    from unpaired.faces.sheet import Section, Tile

    FindFaces = Callable[[Image.Image], tuple[Face, ...]]

MOST_SHOWN_WITH_FACE, MOST_SHOWN_WITHOUT = 40, 24
"""Pictures of one folder on the contact sheet."""

SHEET_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
WHITE = (255, 255, 255)


def faces(
    *folders: Path,
    domain: Literal["a", "b", "both"] = "both",
    whole: Annotated[bool, Parameter(negative="")] = False,
    min_score: float | None = None,
    sheet: Path = Path("faces.png"),
) -> None:
    """Find the faces in pictures, write their boxes into a file beside the pictures, show them on a contact sheet.

    The largest face of a picture counts. The file, faces.json, is read when a training or a measurement asks for faces;
    one that is there already is replaced. Exit code 1 when no picture of a folder has a face.

    Parameters
    ----------
    folders
        Folders of pictures, or one that holds trainA and trainB (and testA, testB).
    domain
        Which of trainA and testA (a), trainB and testB (b) to look at.
    whole
        Do not search: each whole picture is a face. For pictures of cropped faces, and for drawn ones.
    min_score
        How sure to be of a face, from 0 to 1; 0.9 when it is not given.
    sheet
        Where to write the contact sheet; not among the pictures.
    """
    listings, problems = _listings(folders, domain)
    raise_if_any([*problems, *_score_problems(min_score, whole), *_sheet_problems(sheet, listings)])
    find = _whole_picture if whole else _detector(min_score)
    sections: list[Section] = []
    for listing in listings:
        result = _search(listing, find, "whole" if whole else "mtcnn")
        if isinstance(result, Problem):
            problems.append(result)
        else:
            sections += _sections(listing, result)
    if sections:
        _write_sheet(sheet, sections)
    if problems:
        raise UserError.of(problems)


def _listings(folders: Sequence[Path], domain: str) -> tuple[list[Listing], list[Problem]]:
    """The pictures in each of `folders`, or in their parts for `domain`, and what is wrong with them."""
    from unpaired.data.listing import list_pictures
    from unpaired.data.problems import folder_problem, too_few_problem, unreadable_problems

    listings: list[Listing] = []
    problems: list[Problem] = []
    if not folders:
        problems.append(Problem("No folders of pictures were given", "For example: unpaired data faces selfies"))
    for folder in folders:
        if problem := folder_problem(str(folder), folder):
            problems.append(problem)
            continue
        for part in _parts(folder, domain, problems):
            listing = list_pictures(part)
            problems += unreadable_problems(str(part), listing)
            if few := too_few_problem(str(part), listing, len(listing.pictures), num_needed=1):
                problems.append(few)
            listings.append(listing)
    return listings, problems


def _parts(folder: Path, domain: str, problems: list[Problem]) -> list[Path]:
    """The folders of pictures that `folder` stands for: those of a data folder, or itself."""
    from unpaired.data.folders import SUB_FOLDERS

    parts = {name: folder / part for name, part in SUB_FOLDERS.items() if (folder / part).is_dir()}
    wanted = [part for name, part in parts.items() if domain in ("both", name[-1])]
    if not wanted and domain != "both":
        names = " and no ".join(part for name, part in SUB_FOLDERS.items() if name[-1] == domain)
        problems.append(Problem(f"--domain {domain}: {folder} has no {names}", "Leave --domain out for other folders."))
        return []
    return wanted or [folder]


def _score_problems(min_score: float | None, whole: bool) -> list[Problem]:
    if min_score is None:
        return []
    if whole:
        return [Problem(f"--min-score {min_score:g}: nothing is searched with --whole", "Leave out one of them.")]
    if not 0 <= min_score <= 1:
        return [Problem(f"--min-score {min_score:g}: is not between 0 and 1", "For example 0.8 to find more faces.")]
    return []


def _sheet_problems(sheet: Path, listings: Sequence[Listing]) -> list[Problem]:
    if sheet.suffix.lower() not in SHEET_SUFFIXES:
        return [Problem(f"--sheet {sheet}: is not the name of a picture", f"End it in {' '.join(SHEET_SUFFIXES)}.")]
    if sheet.is_dir() or not sheet.parent.is_dir():
        return [Problem(f"--sheet {sheet}: cannot be written there", "Name a file in a folder that exists.")]
    around = [listing.folder for listing in listings if listing.folder.resolve() in sheet.resolve().parents]
    if not around:
        return []
    outside = around[0].resolve().parent / sheet.name
    return [Problem(f"--sheet {sheet}: lies among the pictures of {around[0]}", f"For example --sheet {outside}")]


def _whole_picture(image: Image.Image) -> tuple[Face, ...]:
    from unpaired.data.faces import Face

    return (Face((0.0, 0.0, float(image.width), float(image.height)), 1.0),)


def _detector(min_score: float | None) -> FindFaces:
    """What finds faces in a picture, the largest first. Raises `UserError` when the detector's weights are missing."""
    import torch

    from unpaired.data.faces import Face
    from unpaired.faces.detector import MIN_SCORE, load_detector

    torch.set_num_threads(1)  # each picture has a thread of its own
    detector = load_detector()
    least = MIN_SCORE if min_score is None else min_score

    def find(image: Image.Image) -> tuple[Face, ...]:
        found = detector.find(image, min_score=least)
        return tuple(Face(face.box, face.score, face.landmarks) for face in found)

    return find


def _search(listing: Listing, find: FindFaces, detector: str) -> dict[Path, PictureFaces] | Problem:
    """The faces in all pictures that can be read, written into the box file; a problem when there is no face at all."""
    from unpaired.data.faces import FILE_NAME, no_face_problem, write_faces
    from unpaired.data.images import BadPicture
    from unpaired.data.threads import in_threads

    folder = listing.folder
    found: dict[Path, PictureFaces] = {}
    bad: list[BadPicture] = []
    with progress_bar(f"Finding faces in {folder}") as on_progress:
        for num_done, result in enumerate(in_threads(lambda path: _faces_in(path, find), listing.pictures), start=1):
            if isinstance(result, BadPicture):
                bad.append(result)
            else:
                found[result[0]] = result[1]
            on_progress(num_done, len(listing.pictures))
    for picture in bad:
        print(f"note: left out: {picture}")
    if not any(record.faces for record in found.values()):
        return no_face_problem(str(folder), len(found), f"unpaired data faces {folder}")
    replaced = " (replaced)" if (folder / FILE_NAME).exists() else ""
    print(f"{write_faces(folder, detector, found)}{replaced}: {_counts(found)}")
    if sum(not record.faces for record in found.values()) > len(found) / 2:
        print(f"note: most have none. Are they cropped or drawn faces? Then: unpaired data faces {folder} --whole")
    return found


def _faces_in(path: Path, find: FindFaces) -> tuple[Path, PictureFaces] | BadPicture:
    from unpaired.data.faces import PictureFaces
    from unpaired.data.images import BadPicture, read_picture

    try:
        image = read_picture(path, WHITE)
    except BadPicture as bad:
        return bad
    return path, PictureFaces((image.height, image.width), path.stat().st_size, find(image))


def _counts(found: Mapping[Path, PictureFaces]) -> str:
    """Such as `400 pictures: 396 with a face, of these 3 with several; 4 without`."""
    from unpaired.data.listing import counted

    nums = [len(record.faces) for record in found.values()]
    with_face, several = sum(num > 0 for num in nums), sum(num > 1 for num in nums)
    more = f", {several:,} of them with several (the largest counts)" if several else ""
    return f"{counted(len(nums), 'picture')}: {with_face:,} with a face{more}; {len(nums) - with_face:,} without"


def _sections(listing: Listing, found: Mapping[Path, PictureFaces]) -> list[Section]:
    """What the contact sheet shows of a folder: pictures with a face, and those without."""
    from unpaired.faces.sheet import Section

    sections = []
    for words, has_face, most in (("with", True, MOST_SHOWN_WITH_FACE), ("without", False, MOST_SHOWN_WITHOUT)):
        paths = [path for path, record in found.items() if bool(record.faces) == has_face]
        num_shown = min(most, len(paths))
        shown = [paths[k * len(paths) // num_shown] for k in range(num_shown)]
        heading = f"{listing.folder}: {len(paths):,} {words} a face{'' if shown == paths else f', {num_shown} shown'}"
        if shown:
            sections.append(Section(heading, [_tile(listing, path, found[path]) for path in shown]))
    return sections


def _tile(listing: Listing, path: Path, record: PictureFaces) -> Tile:
    from unpaired.data.images import read_picture
    from unpaired.faces.sheet import Tile

    by_size = sorted(record.faces, key=lambda face: face.area, reverse=True)
    return Tile(read_picture(path, WHITE), [face.box for face in by_size], listing.name(path))


def _write_sheet(sheet: Path, sections: Sequence[Section]) -> None:
    from unpaired.faces.sheet import contact_sheet

    try:
        contact_sheet(sections).save(sheet)
    except OSError as error:
        raise UserError(
            f"--sheet {sheet}: cannot be written ({error.strerror or error})", "Name a file somewhere else."
        ) from error
    print(f"{sheet}: look at it to see whether the boxes are right")
