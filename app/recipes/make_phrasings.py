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
Draw {a subject}
draw {a subject}
Draw {subject}
{a subject}, {style name} style
Draw {a subject} in {style name} style
Draw {a subject} in the style of {style name}
Draw {a subject} in {style} style
Draw {a last word}
Draw {a last word}.
{last word}
{a last word} in {style} style
Draw {a last word} in {style name} style
Draw {a keyword}
{keyword}
{keyword}, {style} style
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
{a subject}
Draw {a subject}.
A picture of {a subject}
Make an emoji of {subject}.
Please draw {a subject} on a white background.
An icon that people would read as {subject}
{subject} ({keyword})
{a subject}, {style} style
{a subject} in {style} style
{subject} drawn in the {style} style
Draw {a subject} in {style} style.
Draw {subject} the way {style} draws it.
A {style} icon of {subject}
A {style} emoji: {subject}
Make a {style} style picture of {subject}.
I need {subject} as a {style} icon.
Give me {subject}, {style} please.
Bring {a subject} to paper, in the manner of {style}.
How would {subject} look in {style} style?
{style} style, {subject}
{style}: {subject}
Paint {subject} in the look of the {style} set.
One {style} drawing: {subject}, {keyword}.
Create an image from the words: {subject}, {style} style.
Create an image for the caption: {subject}
Sketch out an icon for the caption "{subject}" in {style} style.
Illustrate the following. {subject}. Use the {style} style.
Turn these words into a {style} icon: {subject}
The subject is {subject}, the style is {style}.
style {style}, subject {subject}, about {keyword}
"""

EDGE = """
Draw along the edges {edge}: {subject}
Draw {subject} along the lines of {edge}.
Follow {edge} and draw {subject}.
Follow {edge} and draw {subject} in {style} style.
Colour in {edge}: {subject}
Colour in {edge} in {style} style: {subject}
Turn {edge} into a finished picture of {subject}.
Turn {edge} into {subject} in {style} style.
Use the outline in {edge.marker} for a picture of {subject}.
With the contours of {edge}, create {subject}, {style} style.
Generate {subject} outlined as {edge}.
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
Draw {a subject} along {edge}.
Draw {subject} along {edge}, in {style} style.
Using {edge}, make a picture of {subject}.
Fill {edge} with colour so that it shows {a subject}, {style} style.
Take {edge} as the outline: {subject} in {style} style
{subject}, with the edges of {edge.marker}
{subject}, {style} style, edges from {edge.marker}
Make an icon whose edges are {edge}; the caption is {subject}.
Let {edge} lead your pen and draw {a subject}.
Based on {edge}, draw this: {subject}
Based on {edge}, draw this in {style} style: {subject}
Here is {edge}. Finish it as {a subject}.
Here is {edge}. Finish it as a {style} icon of {subject}.
An icon of {subject} that keeps to {edge}
A {style} icon of {subject} that keeps to {edge}
The lines are given by {edge}. The subject is {subject}.
The lines are given by {edge}. Draw {subject} the way {style} would.
Paint over {edge}: {a subject}
Trace {edge.marker} and turn it into {subject}.
Trace {edge.marker} and turn it into {a subject} in {style} style.
Stay inside {edge} and paint {subject}.
Guided by {edge}, create {a subject}.
Guided by {edge}, create {a subject} in the {style} style.
Respect every line of {edge}: {subject}, {style} style.
What would {edge} be as a picture? {subject}, {style} style.
Use the contour in {edge.marker} for {a subject}.
Use the contour in {edge.marker} for {a subject} drawn by {style}.
Create an image with {edge} as its edges and {subject} as its caption.
Put colour between the lines of {edge.marker}: {subject} in {style} style.
{edge}: {subject}
{edge}: {subject}, {style}
"""

MASK = """
Draw {subject} in the shape of {mask}.
Draw {subject} in the shape of {mask}, {style} style.
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
Draw {a subject} that fills {mask}.
Draw {a subject} that fills {mask}, in {style} style.
{subject}, inside {mask}
{subject}, {style} style, inside {mask}
Fill {mask} with {a subject}.
Fill {mask} with {a subject} as {style} would draw it.
Using {mask}, create a picture of {subject}.
Using {mask}, create a {style} picture of {subject}.
The white part of {mask} is {a subject}; draw it.
The white part of {mask} is {a subject}; draw it in {style} style.
Keep to {mask.marker}: {subject}
Keep to {mask.marker}: {subject} in {style} style
Make an icon of {subject} with the outline of {mask}.
Make a {style} icon of {subject} with the outline of {mask}.
Take {mask} as the place of the object and draw {subject}.
Let {mask} say where it goes, and draw {a subject}.
Let {mask} say where it goes, and draw {a subject} in the {style} style.
Here is {mask}. What belongs there is {subject}.
Here is {mask}. What belongs there is {subject}, {style} style.
Shape: {mask}. Subject: {subject}.
Shape: {mask}. Subject: {subject}. Style: {style}.
Paint {a subject} where {mask} is white.
Paint {a subject} where {mask} is white, {style} style.
Following {mask}, draw this: {subject}
Following {mask}, draw this the {style} way: {subject}
An icon cut to {mask}: {subject}
A {style} icon cut to {mask}: {subject}
Turn {mask} into {a subject}.
Turn {mask} into {a subject} of the {style} set.
Create an image for the caption {subject}, bounded by {mask}.
Nothing may leave {mask}: draw {subject} in {style} style.
{mask}: {subject}
{mask}: {subject}, {style}
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
Turn {sketch} into {a subject}.
Turn {sketch} into {a subject} in {style} style.
I drew {sketch}; make it a proper picture of {subject}.
I drew {sketch}; make it a {style} icon of {subject}.
Finish {sketch}: {subject}, {style} style
Draw {subject} after {sketch}.
Draw {a subject} after {sketch}, in the {style} style.
Using {sketch} as a start, paint {a subject}.
Using {sketch} as a start, paint {a subject} the way {style} does.
From {sketch} to a clean icon of {subject}
From {sketch} to a clean {style} icon of {subject}
{sketch} shows {subject}. Draw it well.
{sketch} shows {subject}. Draw it well, in {style} style.
Ink and colour {sketch}: {subject}
Ink and colour {sketch} in {style} style: {subject}
Make something of {sketch.marker}; it should be {a subject}.
Make something of {sketch.marker}; it should be {a subject} in {style} style.
Clean up {sketch} into an emoji of {subject}.
Here is {sketch}. The idea is {subject}.
Here is {sketch}. The idea is {subject} in {style} style.
Complete {sketch}, which is meant to be {a subject}.
Complete {sketch}, which is meant to be {a subject}, {style}.
{subject}, as laid out in {sketch}
{subject}, {style} style, as laid out in {sketch}
Render {sketch.marker} as {subject}.
Render {sketch.marker} as {subject} with the look of {style}.
Guided by {sketch}, create an image of {subject}.
Guided by {sketch}, create a {style} image of {subject}.
My {sketch.marker} is clumsy. Please draw {subject} properly.
Please redraw {sketch} as {a subject} from the {style} set.
{sketch}: {subject}
{sketch}: {subject}, {style}
"""

SUBJECT = """
Draw {subject_ref} in {style} style.
Draw {subject_ref} in {style} style: {subject}
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
Use {subject_ref} as the subject. Style: {style}.
The subject is {subject_ref}. The style is {style}.
I like {subject_ref}. Please draw it in {style} style.
Another drawing of {subject_ref}, this time {style}
Create {subject_ref} once more, in {style} style
Copy the subject of {subject_ref.marker} into {style} style: {subject}
Draw {subject_ref} the way {style} would.
Draw the same thing as {subject_ref.marker}, but in {style} style.
Redraw {subject_ref} as a {style} icon.
Make {subject_ref} look {style}.
{subject_ref} in the {style} style: {subject}
What does {subject_ref} look like in {style}?
Take {subject_ref} and give it the {style} look.
Take the subject of {subject_ref.marker} and draw it for the {style} set.
Turn {subject_ref} into a {style} drawing.
A {style} version of {subject_ref}
A {style} version of {subject_ref}: {subject}
Keep the subject of {subject_ref}, change the style to {style}.
Show {subject_ref} drawn by {style}.
I like {subject_ref}. Can I have it in {style} style?
The thing in {subject_ref}, as {style} draws it
Convert {subject_ref} to {style} style.
Translate {subject_ref} into {style}.
Let {subject_ref} appear in {style} style, following the caption: {subject}
Create {a subject} like {subject_ref}, in {style} style.
Create a {style} picture with the subject of {subject_ref}.
Using {subject_ref} as the model, draw {subject} in {style} style.
Same subject as {subject_ref}, other hand: {style}.
Restyle {subject_ref} as {style}.
Give me {subject_ref} in the manner of {style}.
An icon of {subject_ref} that fits into the {style} set
Copy what {subject_ref.marker} shows, not how: use {style} style.
{subject} as in {subject_ref.marker}, {style} style
Make {a subject} for the {style} set after {subject_ref}.
Put {subject_ref} into {style} style and keep it {a subject}.
Imagine {subject_ref} had been drawn by {style}.
With {subject_ref} before you, draw {a subject} in the style called {style}.
Style: {style}. Subject: {subject_ref}.
{subject_ref} -> {style}
"""

STYLE = """
Draw {subject} in the style of {style_ref}.
In the style of {style_ref}: {subject}
{subject} in the style of {style_ref}
{subject}, style of {style_ref.marker}
Paint {subject} the way {style_ref} is painted.
Use the look of {style_ref} to show {subject}.
Use {style_ref} for the style and draw {subject}.
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
Draw {a subject} in the style of {style_ref}.
Draw {a subject} in the style of {style_ref.marker}.
{a subject}, styled like {style_ref}
{a subject}, drawn as {style_ref.marker} is drawn
Use {style_ref} and draw {subject}.
Follow the look of {style_ref}: {subject}
Create an image in {style_ref} with the caption: {subject}
Make an icon of {subject} that matches {style_ref}.
Make an icon of {subject} that belongs beside {style_ref.marker}.
Take only the style from {style_ref} and draw {a subject}.
The style comes from {style_ref}, the subject is {subject}.
With the colours and lines of {style_ref}, draw {a subject}.
Imitate {style_ref} and show {subject}.
Whoever drew {style_ref.marker}, let them draw {subject}.
By the hand that drew {style_ref}: {a subject}
Another picture of the same set as {style_ref}: {subject}
Extend the set of {style_ref.marker} by {a subject}.
Copy how {style_ref.marker} is drawn, not what it shows; draw {subject}.
Same style as {style_ref}, new subject: {subject}
I like {style_ref}. Draw {a subject} like that.
In tune with {style_ref}, make {a subject}.
Adopt {style_ref} for an emoji of {subject}.
Give {subject} the look of {style_ref}.
Let {subject} wear the style of {style_ref}.
Learn the style from {style_ref} and show me {a subject}.
What would {subject} look like in {style_ref}?
An emoji for {subject} that goes with {style_ref}
Please draw {subject}; for the style see {style_ref}.
Style: {style_ref}. Subject: {subject}.
Caption: {subject}. Style as in {style_ref.marker}.
{style_ref}: {subject}
"""

TRANSFER = """
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
Draw {content.marker} in the style of {style_ref.marker}.
{content.marker} in the style of {style_ref.marker}
Redraw {content} the way {style_ref} is drawn.
Give {content} the style of {style_ref}.
Give {content.marker} the look of {style_ref.marker}.
Take the content of {content} and the style of {style_ref}.
Take what {content.marker} shows and draw it as {style_ref.marker} is drawn.
Transfer the style of {style_ref} to {content}.
Move the style of {style_ref.marker} onto {content.marker}.
Apply {style_ref} to {content}.
Repaint {content} with the style of {style_ref}.
Make {content} look as if it came from the same set as {style_ref}.
Make {content.marker} match {style_ref.marker}.
Use {style_ref} for how and {content} for what.
What: {content}. How: {style_ref}.
Keep the object of {content}, change its style to that of {style_ref}.
Combine {content} with {style_ref}.
In the style of {style_ref}, draw {content}.
In the manner of {style_ref.marker}: {content.marker}
By the hand that drew {style_ref}: the thing in {content}
Let {style_ref} decide the style and {content} the subject.
Translate {content} into the language of {style_ref}.
Dress {content} in {style_ref}.
The same thing as {content}, drawn like {style_ref}
Recreate {content}, using {style_ref}.
Rework {content} until it fits beside {style_ref.marker}.
Following {style_ref}, show what {content} shows.
Copy the subject of {content.marker} and the lines and colours of {style_ref.marker}.
{content} + {style_ref}
"""

STYLED = """
Draw {subject_ref} in the style of {style_ref}: {subject}
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
Draw {subject_ref.marker} in the style of {style_ref.marker}: {a subject}
{subject_ref}, styled like {style_ref}
Make an icon of {subject_ref} that adopts {style_ref}: {subject}
Render {subject_ref} with {style_ref}, to fit the caption: {subject}
Show {subject_ref} the way {style_ref} is drawn: {a subject}
Take {subject_ref} as the subject and {style_ref} as the style: {subject}
Paint {a subject} like {subject_ref}, in the style of {style_ref}.
Create {a subject} after {subject_ref}, following {style_ref}.
A picture of {subject_ref} with the look of {style_ref}
A picture of {subject} after {subject_ref.marker} with the look of {style_ref.marker}
Use {style_ref} to redraw {subject_ref}; it must stay {a subject}.
In the style of {style_ref}, draw {subject_ref}: {subject}
In the style of {style_ref.marker}: {a subject}, namely {subject_ref.marker}
By the hand that drew {style_ref}: {subject_ref}
Let {subject_ref} join the set of {style_ref}: {subject}
Give {subject_ref} the style of {style_ref}. Caption: {subject}.
Combine {subject_ref} and {style_ref} into an icon of {subject}.
The subject is {subject_ref}. The style is {style_ref}.
The style is {style_ref}. The subject is {subject_ref}, that is {a subject}.
Make {subject_ref} match {style_ref}: {subject}
Put {subject_ref} into the world of {style_ref}.
With {style_ref} in mind, draw {a subject} as in {subject_ref}.
Translate {subject_ref} into {style_ref}: {subject}
I want {subject_ref} to look like {style_ref}. It is {a subject}.
Please draw {subject}; what it is: {subject_ref}; how it is drawn: {style_ref}.
What would {subject_ref} be in {style_ref}? {subject}
Restyle {subject_ref} after {style_ref}, and keep it {a subject}.
An emoji of {subject}, looking like {subject_ref} but drawn like {style_ref}
Copy the subject of {subject_ref.marker}, the style of {style_ref.marker}: {subject}
{subject_ref} + {style_ref}: {subject}
"""

STYLE_TEXTS = ["style image", "style image", "style", "{style} style image", "{style} style",
               "drawing style", "art style", "example of the style"]
SUBJECT_TEXTS = ["{subject}", "{subject}", "{subject}", "{a subject}", "picture of {subject}",
                 "{subject} icon", "subject", "reference image"]
CONTENT_TEXTS = ["content image", "content image", "content", "content picture", "picture",
                 "image", "object", "{subject}"]
EDGE_WORDS = ["edge map", "edge map", "edge image", "edges", "edge drawing", "outline", "lines",
              "edge map of {subject}"]
MASK_WORDS = ["mask", "mask", "object mask", "silhouette", "shape", "area", "stencil",
              "mask of {subject}"]
SKETCH_WORDS = ["sketch", "sketch", "drawing", "line drawing", "rough sketch", "scribble",
                "pencil sketch", "sketch of {subject}"]


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
    control("edge", 0.08, EDGE, EDGE_WORDS),
    control("mask", 0.06, MASK, MASK_WORDS),
    control("sketch", 0.06, SKETCH, SKETCH_WORDS),
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
