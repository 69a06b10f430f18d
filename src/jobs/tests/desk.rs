//! What the window keeps for itself, and where the model runs.

use std::fs;

use super::{Machine, street};
use crate::domain::StopFlag;
use crate::jobs::{DeviceChoice, Event, FailureOf, QueryPhoto, Request};

#[test]
fn the_layout_comes_back_in_the_next_window() {
    let machine = Machine::new();
    let mut window = machine.start();
    let read = |event: &Event| match event {
        Event::LayoutRead { text } => Some(text.clone()),
        _ => None,
    };
    window.ask(Request::ReadLayout);
    assert_eq!(window.wait(read), None);
    window.ask(Request::WriteLayout { text: "a layout".into() });
    drop(window);
    let mut window = machine.start();
    window.ask(Request::ReadLayout);
    assert_eq!(window.wait(read), Some("a layout".to_owned()));
}

#[test]
fn projects_that_were_opened_are_listed_and_those_that_vanished_say_so() {
    let machine = Machine::with_sample();
    let other = machine.dir.path().join("other");
    crate::synth::write_sample(&other, &super::tiny_spec(), &StopFlag::new(), &|_| {}).unwrap();
    let mut window = machine.start();
    window.open(None);
    window.open(Some(other.clone()));
    drop(window);
    fs::remove_dir_all(&other).unwrap();
    let mut window = machine.start();
    window.ask(Request::ListRecent);
    let listed = window.wait(|event| match event {
        Event::Recent(recent) => Some(recent.clone()),
        _ => None,
    });
    let said: Vec<_> = listed.iter().map(|recent| (recent.path.clone(), recent.gone.is_some())).collect();
    assert_eq!(said, [(other, true), (machine.sample(), false)]);
}

#[test]
fn the_devices_of_this_machine_are_listed_the_cpu_first() {
    let machine = Machine::new();
    let mut window = machine.start();
    window.ask(Request::ListDevices);
    let found = window.wait(|event| match event {
        Event::Devices(survey) => Some(survey.clone()),
        _ => None,
    });
    assert_eq!(found.devices[0].choice, DeviceChoice::Cpu);
    assert!(found.devices[0].label.starts_with("CPU"), "{found:?}");
    assert_eq!(found.without_gpu.is_some(), found.devices.len() == 1, "{found:?}");
}

#[test]
fn the_model_moves_to_another_device_and_one_that_is_not_there_leaves_all_as_it_was() {
    let machine = Machine::with_sample();
    let mut window = machine.start();
    window.open(None);
    window.ask(Request::UseDevice { device: DeviceChoice::Cpu });
    window.wait(|event| matches!(event, Event::DeviceReady { device: DeviceChoice::Cpu }).then_some(()));
    window.ask(Request::UseDevice { device: DeviceChoice::Gpu(63) });
    let sentence = window.wait(|event| match event {
        Event::Failed(failure) if failure.of == FailureOf::Device => Some(failure.sentence.clone()),
        _ => None,
    });
    assert!(sentence.contains("cuda:63") || sentence.contains("63"), "{sentence}");
    let query = window.search(1, QueryPhoto::Project(street(2)));
    window.wait(|event| matches!(event, Event::Ranked { query: of, .. } if *of == query).then_some(()));
}
