#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes tasks.json, the mixture of limn-icons: the sentences below, one task after the other.

Ratios follow Instruct-Imagen's Table 1 (text 0.20, depth/mask/edge/sketch 0.20, subject 0.40,
style 0.10, style transfer 0.10), with subject's share split between subject alone and styled
subject, since here the true picture of a subject in a style exists. Placeholders: tasks.h."""
import json
import pathlib

TEXT = """
{subject}
{subject}, {style} style
{subject} in {style} style
a {style} style picture of {subject}
an icon of {subject}
an icon of {subject} in {style} style
Draw {subject}.
Draw {subject} in {style} style.
Please draw {subject} the way {style} does.
Make a picture of {subject}.
Make a picture of {subject} in {style} style.
Generate an image of {subject}.
Generate an image of {subject} in {style} style.
Bring forth an image based on the caption: {subject}, {style} style
Create an image for this description: {subject}
Create an image for this description: {subject} in {style} style
Paint {subject} as a {style} emoji.
a {style} emoji of {subject}
emoji: {subject}
emoji: {subject}, drawn like {style}
Show me {subject}.
Show me {subject}, {style} style.
I would like to see {subject} in the manner of {style}.
Depict {subject} with the look of {style}.
Illustrate: {subject}
Illustrate in {style} style: {subject}
A small picture that says {keyword}
{subject}, {keyword}
{subject}, {keyword}, {style} style
Something for the word {keyword}, in {style} style: {subject}
Caption: {subject}. Style: {style}.
Style {style}. {subject}.
Render {subject} in {style} style
What does {subject} look like in {style} style?
"""

EDGE = """
Draw along the edges {edge}: {subject}
Draw {subject} along the lines of {edge}.
Follow {edge} and draw {subject}.
Follow {edge} and draw {subject} in {style} style.
Based on {edge}, generate an image according to the text: {subject}
Let {edge} guide you in making an image of {subject}.
Let {edge} guide you in making an image that fits this description: {subject}, {style} style
Colour in {edge}: {subject}
Colour in {edge} in {style} style: {subject}
Turn {edge} into a finished picture of {subject}.
Turn {edge} into {subject} in {style} style.
Use the outline in {edge.marker} for a picture of {subject}.
With the contours of {edge}, create {subject}, {style} style.
Generate {subject} outlined as {edge}.
Create an image of {subject}, outlined as {edge}, and reflect the caption: {subject} in {style} style
The edges are in {edge.marker}. Draw {subject}.
The edges are in {edge.marker}. Draw {subject} as {style} would.
Keep to the lines of {edge.marker}: {subject}, {style} style
{subject}, edges from {edge.marker}
{subject} in {style} style, edges from {edge}
Fill {edge} with colour: {subject}
Take {edge} and make it {subject} in {style} style.
Given {edge}, paint {subject}.
Given {edge}, paint {subject} in {style} style.
Trace {edge} to get {subject}, {style} style
I drew {edge}; please finish it as {subject}.
Match the edges of {edge.marker} and show {subject} in {style} style.
Picture of {subject} whose edges are {edge}
Shape given by {edge}, content: {subject}, style: {style}
Finish {edge} as a {style} emoji of {subject}.
"""

MASK = """
Draw {subject} in the shape of {mask}.
Draw {subject} in the shape of {mask}, {style} style.
Based on {mask}, generate an image according to the text: {subject}
Generate an image by taking cues from {mask} as a reference and following this caption: {subject}
Generate an image by taking cues from {mask} and following this caption: {subject} in {style} style
Fill {mask} with {subject}.
Fill {mask} with {subject} in {style} style.
The white area of {mask} is {subject}.
The white area of {mask} is {subject} in {style} style.
Create {subject} in the shape outlined by {mask}.
Create {subject} in the shape outlined by {mask}, drawn like {style}.
Use {mask} as the silhouette of {subject}.
Use {mask} as the silhouette of {subject}, {style} style.
Follow {mask}: {subject}
Follow {mask}: {subject}, {style} style
{subject} where {mask.marker} is white
{subject} in {style} style where {mask.marker} is white
Keep within {mask} and paint {subject}.
Keep within {mask} and paint {subject} as {style} would.
The object covers {mask.marker}. Show {subject}.
The object covers {mask.marker}. Show {subject} in {style} style.
Place {subject} exactly on {mask}.
Place {subject} exactly on {mask}; style: {style}
Let {mask} give the outline and the words the rest: {subject}, {style} style
Turn {mask} into {subject}.
Turn {mask} into {subject}, {style} style.
Given {mask}, what is inside? {subject} in {style} style
Silhouette {mask.marker}, content {subject}, style {style}
Make a {style} emoji of {subject} that fits {mask}.
Cut {subject} out along {mask}.
"""

SKETCH = """
Turn {sketch} into a picture of {subject}.
Turn {sketch} into a picture of {subject} in {style} style.
Draw {subject} from {sketch}.
Draw {subject} from {sketch} in {style} style.
Finish {sketch}: {subject}
Finish {sketch} in {style} style: {subject}
I sketched {sketch}. Make it {subject}.
I sketched {sketch}. Make it {subject} in {style} style.
Colour {sketch} as {subject}.
Colour {sketch} as {subject}, {style} style.
From {sketch} create an image that reflects the caption: {subject}
From {sketch} create an image that reflects the caption: {subject} in {style} style
Use {sketch} as a guide for {subject}.
Use {sketch} as a guide for {subject}, drawn like {style}.
Paint over {sketch} to show {subject}.
Paint over {sketch} to show {subject} in {style} style.
The drawing {sketch.marker} should become {subject}.
The drawing {sketch.marker} should become {subject} in {style} style.
{subject}, after {sketch}
{subject}, after {sketch}, {style} style
Make {sketch} real: {subject}, {style} style
Clean up {sketch} into a {style} emoji of {subject}.
Here is {sketch}; render {subject}.
Here is {sketch}; render {subject} in the manner of {style}.
Take the strokes of {sketch} and give me {subject}.
Take the strokes of {sketch} and give me {subject} in {style} style.
Rough lines in {sketch.marker}, finished picture: {subject}
Rough lines in {sketch.marker}, finished picture: {subject}, {style} style
Let {sketch} decide where things go: {subject}
Let {sketch} decide where things go: {subject}, style {style}
"""

SUBJECT = """
Draw {subject_ref} in {style} style.
Draw {subject_ref} in {style} style: {subject}
Draw {subject_ref} to match the content of the description: {subject} in {style} style
Redraw {subject_ref} in {style} style.
Redraw {subject_ref} as {style} would.
Show {subject_ref} the way {style} draws.
Generate an image of {subject_ref} in {style} style.
Generate an image of {subject_ref}, caption: {subject}, {style} style
Make a {style} emoji of {subject_ref}.
Make {subject_ref.marker} a {style} icon.
Render the subject of {subject_ref.marker} in {style} style.
Render {subject_ref} with the look of {style}: {subject}
The same thing as {subject_ref}, in {style} style
The same thing as {subject_ref}, but drawn like {style}: {subject}
Keep what {subject_ref.marker} shows and draw it in {style} style.
Take {subject_ref} and give it {style} style.
Turn {subject_ref} into {style} style.
What would {subject_ref} look like in {style} style?
{subject_ref} in {style} style
{subject_ref}, {style} style
{style} style picture of {subject_ref}
Translate {subject_ref} to {style}.
Picture {subject_ref} as {style} draws {subject}.
Synthesize an image that features {subject_ref}: {subject} in {style} style
Use {subject_ref} as the subject. Style: {style}.
The subject is {subject_ref}. The style is {style}.
I like {subject_ref}. Please draw it in {style} style.
Another drawing of {subject_ref}, this time {style}
Create {subject_ref} once more, in {style} style
Copy the subject of {subject_ref.marker} into {style} style: {subject}
"""

STYLE = """
Draw {subject} in the style of {style_ref}.
Draw an image in the style of {style_ref}, following the caption: {subject}
In the style of {style_ref}: {subject}
{subject} in the style of {style_ref}
{subject}, style of {style_ref.marker}
Paint {subject} the way {style_ref} is painted.
Use the look of {style_ref} to show {subject}.
Use {style_ref} for the style and draw {subject}.
Create an image in {style_ref} with the caption: {subject}
Generate an image in {style_ref} following the caption: {subject}
Generate {subject} with the style of {style_ref}.
Make {subject} look like it belongs with {style_ref}.
Make a picture of {subject} that matches {style_ref}.
The style comes from {style_ref.marker}. The subject is {subject}.
Take the style of {style_ref.marker} and draw {subject}.
Borrow the style of {style_ref} for {subject}.
Show {subject} in the same manner as {style_ref}.
Show {subject}, drawn by whoever drew {style_ref}.
An emoji of {subject} from the same set as {style_ref}
From the same set as {style_ref}: {subject}
Same style as {style_ref}, but {subject}
Imitate {style_ref} and draw {subject}.
Render {subject} in the manner of {style_ref}.
Illustrate {subject} adopting the style of {style_ref}.
Let {style_ref} set the colours and lines: {subject}
With the brush of {style_ref}: {subject}
I want {subject} in the style shown by {style_ref}.
Depict {subject} using {style_ref} as style.
Style reference {style_ref}. Caption: {subject}
{style_ref}, now showing {subject}
"""

TRANSFER = """
Recreate the content of {content} using the style of {style_ref}.
Convert {content} to the style of {style_ref}.
Convert the style of {content} into that of {style_ref}.
Draw {content} in the style of {style_ref}.
Redraw {content} in the style of {style_ref}.
Apply the style of {style_ref} to {content}.
Transfer the style of {style_ref.marker} to {content}.
Give {content} the look of {style_ref}.
Keep the content of {content.marker}, take the style of {style_ref.marker}.
Content from {content}, style from {style_ref}
Style from {style_ref}, content from {content}
Combine the content of {content.marker} with the style of {style_ref.marker}.
Make {content} look as if it was drawn like {style_ref}.
Paint {content} the way {style_ref} is painted.
Show what {content} shows, in the style of {style_ref}.
Use {style_ref} as the style and {content} as the content.
Use {content} as the content and {style_ref} as the style.
{content} in the style of {style_ref}
{content}, restyled after {style_ref}
Restyle {content} after {style_ref}.
Translate {content} into the drawing style of {style_ref}.
What would {content} look like in the style of {style_ref}?
Copy {content}, but with the colours and lines of {style_ref}.
Let {content} join the set of {style_ref}.
The picture {content.marker} should match {style_ref}.
Change the style of {content.marker} to {style_ref}.
Re-create {content} with the brush of {style_ref}.
Render {content} as {style_ref}.
Take {content} and {style_ref}: first is the content, second the style.
Imitate {style_ref} to draw {content}.
"""

STYLED = """
Draw {subject_ref} in the style of {style_ref}: {subject}
Render an image of {subject_ref} that depicts the caption, adopting the style of {style_ref}: {subject}
Generate {subject_ref} in {style_ref}: {subject}
Generate an image of {subject_ref} in the same style as {style_ref}, caption: {subject}
Draw {subject_ref} in the style of {style_ref}.
Make a picture of {subject_ref} in the style of {style_ref}.
Make a picture of {subject_ref} in the style of {style_ref}, with the caption {subject}.
Show {subject_ref} as {style_ref} would: {subject}
Take the subject of {subject_ref.marker} and the style of {style_ref.marker}: {subject}
Subject {subject_ref}, style {style_ref}, caption {subject}
Style {style_ref}, subject {subject_ref}, caption {subject}
Put {subject_ref} into the style of {style_ref}: {subject}
Using the style of {style_ref}, draw {subject_ref}.
Using the style of {style_ref}, draw {subject_ref}: {subject}
With {style_ref} for the style, depict {subject_ref} to match: {subject}
Paint {subject_ref} the way {style_ref} is painted: {subject}
Let {subject_ref} appear in the style of {style_ref}: {subject}
{subject} like {subject_ref} in the style of {style_ref}
{subject_ref} in the style of {style_ref}: {subject}
In the style of {style_ref}, {subject_ref}: {subject}
Create {subject_ref} with the look of {style_ref}: {subject}
Create an emoji of {subject_ref} for the set of {style_ref}.
Create an emoji of {subject_ref} for the set of {style_ref}: {subject}
Illustrate {subject} with the subject of {subject_ref.marker} and the style of {style_ref.marker}.
The subject is {subject_ref}, the style is {style_ref}: {subject}
The style is {style_ref}, the subject is {subject_ref}: {subject}
Draw the {subject} of {subject_ref.marker} like {style_ref}.
Imitate {style_ref} and draw {subject_ref} as {subject}.
Bring {subject_ref} to the style of {style_ref}: {subject}
Compose {subject_ref} after {style_ref} for the caption: {subject}
"""

STYLE_TEXTS = ["style image", "style", "{style} style image", "{style} style", "drawing style"]
SUBJECT_TEXTS = ["{subject}", "{subject}", "{subject}", "picture of {subject}", "subject"]
CONTENT_TEXTS = ["content image", "content image", "content", "picture", "{subject}"]


def lines(text):
    return [line for line in text.strip().splitlines() if line]


def reference(slot, picture, texts):
    return {"slot": slot, "picture": picture, "texts": texts}


def control(name, ratio, texts, words):
    return {"name": name, "ratio": ratio, "references": [reference(name, "role." + name, words)],
            "texts": lines(texts)}


subject = reference("subject_ref", "subject", SUBJECT_TEXTS)
style = reference("style_ref", "style", STYLE_TEXTS)
content = reference("content", "subject", CONTENT_TEXTS)
mixture = [
    {"name": "text", "ratio": 0.20, "references": [], "texts": lines(TEXT)},
    control("edge", 0.08, EDGE, ["edge map", "edge image", "edges", "edge map of {subject}"]),
    control("mask", 0.06, MASK, ["mask", "object mask", "silhouette", "mask of {subject}"]),
    control("sketch", 0.06, SKETCH, ["sketch", "drawing", "line drawing", "sketch of {subject}"]),
    {"name": "subject", "ratio": 0.20, "references": [subject], "texts": lines(SUBJECT)},
    {"name": "style", "ratio": 0.10, "references": [style], "texts": lines(STYLE)},
    {"name": "style transfer", "ratio": 0.15, "references": [content, style],
     "texts": lines(TRANSFER)},
    {"name": "styled subject", "ratio": 0.15, "references": [subject, style],
     "texts": lines(STYLED)},
]
for task in mixture:
    assert len(task["texts"]) >= 30, task["name"]
out = pathlib.Path(__file__).with_name("tasks.json")
out.write_text(json.dumps({"drop_all": 0.1, "drop_context": 0.1, "mixture": mixture}, indent=1) + "\n")
