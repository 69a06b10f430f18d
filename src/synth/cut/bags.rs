//! Bags: a body with its handles in one part, since both hang together.

use super::super::design::{Closure, Design, Pockets, Shape};
use super::super::num::{P, TAU, cos, sin};
use super::{Ink, Mark, Part, Pen, Role, patch};

const LEATHER: [f32; 3] = [0.38, 0.24, 0.15];

pub fn parts(design: &Design) -> Vec<Part> {
    let cut = &design.cut;
    let (w, h, drop) = (cut.ease, cut.length, cut.sleeve);
    let outline = match cut.shape {
        Shape::Tote => Pen::at(0.0, 0.0)
            .to(w, 0.0)
            .to(w * 0.96, h - 2.0)
            .curve([w * 0.95, h], [w * 0.9, h])
            .to(0.0, h + 0.4)
            .mirrored(),
        Shape::Bucket => Pen::at(0.0, 0.6)
            .curve([w * 0.7, 0.6], [w * 0.86, 0.0])
            .curve([w * 1.1, h * 0.6], [w * 0.94, h - 2.0])
            .curve([w * 0.6, h + 1.0], [0.0, h + 1.0])
            .mirrored(),
        Shape::Saddle => Pen::at(0.0, 0.0)
            .curve([w * 0.8, -0.6], [w, 2.4])
            .curve([w * 1.12, h * 0.7], [w * 0.55, h])
            .curve([w * 0.3, h + 1.0], [0.0, h + 1.0])
            .mirrored(),
        _ => Pen::at(0.0, 0.0)
            .to(w - 2.0, 0.0)
            .curve([w, 0.0], [w, 2.0])
            .to(w, h - 3.0)
            .curve([w, h], [w - 3.0, h])
            .to(0.0, h)
            .mirrored(),
    };
    let mut part = Part::new(Role::Bag, [0.0, h * 0.5], [0.0, 1.0], outline.clone());
    let trim = if cut.shape == Shape::Tote { Ink::Second(0.95) } else { Ink::Paint(LEATHER) };
    for handle in handles(w, drop, cut.shape) {
        part.marks.push(Mark::Fill(handle.clone(), trim));
        part.marks.push(Mark::Line(handle.clone(), 0.4, Ink::Dark(0.3)));
        part.shapes.push(handle);
    }
    let mut ring = outline;
    ring.push(ring[0]);
    part.marks.push(Mark::Line(ring.clone(), 0.8, Ink::Dark(0.28)));
    part.marks.push(Mark::Stitch(ring.iter().map(|p| [p[0] * 0.93, h / 2.0 + (p[1] - h / 2.0) * 0.92]).collect()));
    match cut.closure {
        Closure::Flap => {
            let flap = Pen::at(0.0, -0.6)
                .to(w + 0.3, -0.4)
                .to(w * 0.98, h * 0.42)
                .curve([w * 0.9, h * 0.6], [w * 0.5, h * 0.6])
                .to(0.0, h * 0.62)
                .mirrored();
            part.marks.push(Mark::Fill(flap.iter().map(|p| [p[0], p[1] + 1.0]).collect(), Ink::Dark(0.34)));
            part.marks.push(Mark::Fill(flap.clone(), Ink::Cloth(1.08)));
            part.marks.push(Mark::Line(flap.clone(), 0.5, Ink::Dark(0.34)));
            part.marks.push(Mark::Stitch(flap.iter().map(|p| [p[0] * 0.94, p[1] * 0.94]).collect()));
            for x in [-w * 0.5, w * 0.5] {
                part.marks.push(Mark::Fill(
                    vec![[x - 1.3, h * 0.4], [x + 1.3, h * 0.4], [x + 1.3, h * 0.74], [x - 1.3, h * 0.74]],
                    Ink::Paint(LEATHER),
                ));
                part.marks.push(Mark::Disc([x, h * 0.62], 1.0, Ink::Paint([0.84, 0.7, 0.4])));
            }
        }
        Closure::Zip => {
            part.marks.push(Mark::Line(vec![[-w * 0.86, 2.6], [w * 0.86, 2.6]], 1.3, Ink::Dark(0.36)));
            part.marks.push(Mark::Line(vec![[-w * 0.86, 2.6], [w * 0.86, 2.6]], 0.6, Ink::Paint([0.8, 0.72, 0.5])));
            part.marks.push(Mark::Line(vec![[w * 0.8, 2.6], [w * 0.82, 6.4]], 1.0, Ink::Paint([0.8, 0.68, 0.42])));
        }
        _ => {
            part.marks.push(Mark::Line(vec![[-w, 3.0], [w, 3.0]], 0.5, Ink::Dark(0.26)));
        }
    }
    if cut.pockets == Pockets::Patch {
        patch(&mut part, [0.0, h * 0.46], w * 0.52, h * 0.36, false);
    }
    if cut.shape == Shape::Bucket {
        let cord: Vec<P> = vec![[-w * 0.9, 4.4], [0.0, 5.2], [w * 0.9, 4.4]];
        part.marks.push(Mark::Line(cord, 0.9, Ink::Paint(LEATHER)));
    }
    vec![part]
}

/// One or two bands that rise in an arch above the body.
fn handles(w: f32, drop: f32, shape: Shape) -> Vec<Vec<P>> {
    let (span, band) = match shape {
        Shape::Tote => (w * 0.5, 1.3),
        Shape::Bucket => (w * 0.86, 1.0),
        _ => (w * 0.94, 1.0),
    };
    let arch = |r: f32, high: f32| -> Vec<P> {
        (0..=16)
            .map(|i| {
                let a = TAU / 2.0 * i as f32 / 16.0;
                [-r * cos(a), -high * sin(a)]
            })
            .collect()
    };
    let mut band_shape = vec![[-span - band, 6.0]];
    band_shape.extend(arch(span + band, drop + band));
    band_shape.push([span + band, 6.0]);
    band_shape.push([span - band, 6.0]);
    band_shape.extend(arch(span - band, drop - band).into_iter().rev());
    band_shape.push([-span + band, 6.0]);
    vec![band_shape]
}
