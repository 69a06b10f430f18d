//! Dresses and skirts.

use super::super::design::{Closure, Collar, Cut, Design, Hem, Kind, Pockets, Shape};
use super::super::num::{P, table};
use super::outerwear::belt;
use super::{
    Ink, Mark, Part, Pen, Role, across, bodice, buttons, inside, neck_band, neck_of, patch, placket, point_collar,
    sleeve, trunk, welt,
};

/// Half width below the waist.
fn skirt_half(cut: &Cut, y: f32) -> f32 {
    let below = (y - 40.0).max(0.0);
    let waist = 13.4 + cut.ease * 0.6;
    match cut.shape {
        Shape::Pencil => table(&[(0.0, waist), (18.0, 17.8 + cut.ease * 0.5), (40.0, 17.0), (80.0, 15.5)], below),
        Shape::Wide => waist + table(&[(0.0, 0.0), (8.0, 4.6), (20.0, 9.0), (80.0, 24.0)], below),
        Shape::Pleated => waist + table(&[(0.0, 0.0), (14.0, 4.4), (30.0, 7.6), (80.0, 15.5)], below),
        _ => waist + table(&[(0.0, 0.0), (16.0, 4.8), (40.0, 9.4), (80.0, 16.5)], below),
    }
}

pub fn parts(design: &Design) -> Vec<Part> {
    if design.kind == Kind::Skirt { vec![skirt(design)] } else { dress(design) }
}

fn hem_line(cut: &Cut, part: &mut Part, half: f32, hem: f32) {
    if cut.hem == Hem::Ruffle {
        let top = hem - 12.0;
        part.marks.push(Mark::Line(across(half + 2.0, top), 0.7, Ink::Dark(0.34)));
        for step in -12i8..=12 {
            let x = f32::from(step) * half / 12.5;
            part.marks.push(Mark::Line(vec![[x * 0.97, top + 0.8], [x * 1.04, hem + 1.0]], 0.9, Ink::Dark(0.13)));
            part.marks.push(Mark::Line(
                vec![[x * 0.97 + 0.9, top + 0.8], [x * 1.04 + 1.1, hem + 1.0]],
                0.7,
                Ink::Light(0.10),
            ));
        }
    } else {
        let line = across(half + 3.0, hem - 2.2);
        part.marks.push(Mark::Line(line.clone(), 0.3, Ink::Dark(0.18)));
        part.marks.push(Mark::Stitch(line));
    }
}

fn pleats(part: &mut Part, cut: &Cut, from: f32, hem: f32) {
    for step in -6i8..=6 {
        let t = f32::from(step) / 6.6;
        let line: Vec<P> = [0.0, 0.5, 1.0]
            .iter()
            .map(|k| {
                let y = from + (hem + 1.0 - from) * k;
                [t * skirt_half(cut, y), y]
            })
            .collect();
        part.marks.push(Mark::Line(line.iter().map(|p| [p[0] + 0.8, p[1]]).collect(), 1.3, Ink::Light(0.10)));
        part.marks.push(Mark::Line(line.iter().map(|p| [p[0] - 0.5, p[1]]).collect(), 1.6, Ink::Dark(0.12)));
        part.marks.push(Mark::Line(line, 0.6, Ink::Dark(0.34)));
    }
}

fn skirt(design: &Design) -> Part {
    let cut = &design.cut;
    let (top, hem) = (39.0, 39.0 + cut.length);
    let mut pen = Pen::at(0.0, top + 0.8)
        .curve([8.0, top + 0.8], [skirt_half(cut, top), top])
        .to(skirt_half(cut, top + 4.0) - 0.2, top + 4.0);
    let mut y = top + 8.0;
    while y < hem - 2.0 {
        pen = pen.to(skirt_half(cut, y), y);
        y += 4.0;
    }
    let half = skirt_half(cut, hem);
    let sag = if cut.shape == Shape::Pencil { 0.8 } else { 3.0 };
    let outline = pen.to(half, hem - 0.4).curve([half * 0.6, hem + sag], [0.0, hem + sag]).mirrored();
    let mut part = Part::new(Role::Body, [0.0, 40.0], [0.0, 1.0], outline);
    part.drape_from = if cut.shape == Shape::Pencil { 80.0 } else { 46.0 };
    if cut.shape == Shape::Pleated {
        pleats(&mut part, cut, top + 4.0, hem);
    }
    let band = vec![[-20.0, top - 1.0], [20.0, top - 1.0], [20.0, top + 4.0], [0.0, top + 4.8], [-20.0, top + 4.0]];
    part.marks.push(Mark::Fill(band, Ink::Cloth(0.94)));
    part.seam(across(16.0, top + 4.4));
    hem_line(cut, &mut part, half, hem);
    match cut.closure {
        Closure::Buttons => {
            placket(&mut part, top, hem + 3.0, 2.0);
            buttons(&mut part, 0.0, top + 2.2, hem - 4.0, 8.0, 1.0, Ink::Accent(1.0));
        }
        Closure::Belt => {
            let leather = Ink::Paint([0.36, 0.22, 0.14]);
            part.marks.push(Mark::Fill(
                vec![[-16.0, top + 0.6], [16.0, top + 0.6], [16.0, top + 3.6], [-16.0, top + 3.6]],
                leather,
            ));
            let buckle =
                vec![[-2.0, top + 0.2], [2.0, top + 0.2], [2.0, top + 4.0], [-2.0, top + 4.0], [-2.0, top + 0.2]];
            part.marks.push(Mark::Line(buckle, 0.7, Ink::Paint([0.83, 0.7, 0.4])));
        }
        _ => {}
    }
    match cut.pockets {
        Pockets::Patch => {
            patch(&mut part, [8.6, top + 12.0], 4.8, 11.0, false);
            patch(&mut part, [-8.6, top + 12.0], 4.8, 11.0, false);
        }
        Pockets::Slant => {
            welt(&mut part, [15.4, top + 18.0], [10.4, top + 5.0], 1.2);
            welt(&mut part, [-10.4, top + 5.0], [-15.4, top + 18.0], 1.2);
        }
        _ => {}
    }
    part
}

fn dress(design: &Design) -> Vec<Part> {
    let cut = &design.cut;
    let hem = cut.length;
    let width = |y: f32| {
        if y < 40.0 {
            trunk(y) + cut.ease * 0.8 + (y / 40.0 - 0.5).max(0.0) * 0.4
        } else {
            skirt_half(cut, y) + cut.ease * 0.2
        }
    };
    let mut body = Part::new(Role::Body, [0.0, 0.0], [0.0, 1.0], bodice(cut, hem, &width));
    body.drape_from = if cut.shape == Shape::Pencil { 78.0 } else { 44.0 };
    let (_, depth) = neck_of(cut);
    if cut.shape == Shape::Pleated {
        pleats(&mut body, cut, 41.0, hem);
    }
    if cut.closure == Closure::Belt {
        belt(&mut body, width(41.0), Ink::Second(0.95));
    } else if cut.shape != Shape::Pencil {
        body.seam(across(width(40.0) + 1.0, 40.0));
    } else {
        for side in [-1.0, 1.0] {
            let dart = vec![[side * 7.4, 24.0], [side * 6.2, 40.0], [side * 7.2, 54.0]];
            body.marks.push(Mark::Line(dart, 0.4, Ink::Dark(0.24)));
        }
    }
    hem_line(cut, &mut body, width(hem), hem);
    if cut.closure == Closure::Buttons {
        placket(&mut body, depth, hem + 3.0, 1.8);
        buttons(&mut body, 0.0, depth + 3.0, hem - 5.0, 7.5, 0.85, Ink::Accent(1.0));
    }
    if cut.collar == Collar::Point {
        point_collar(&mut body, 2.0, Ink::Second(1.02));
    } else {
        neck_band(cut, &mut body, 1.3, Ink::Cloth(0.93));
    }
    let mut parts = vec![inside(cut), body];
    if cut.sleeve > 0.0 {
        parts.push(sleeve(cut, -1));
        parts.push(sleeve(cut, 1));
    }
    parts
}
