//! The projects to come back to, and which of them are still there.

use std::path::Path;

use super::types::RecentProject;
use crate::project::{Paths, Recent, Session};

pub(super) fn list(data_dir: &Path) -> Vec<RecentProject> {
    Session::load_from(data_dir).recent.into_iter().map(looked_up).collect()
}

fn looked_up(recent: Recent) -> RecentProject {
    let gone = match (recent.path.is_dir(), Paths::new(&recent.path).database().is_file()) {
        (true, true) => None,
        (true, false) => Some("The folder holds no project any more".to_owned()),
        (false, _) => Some("The folder is not there any more".to_owned()),
    };
    RecentProject { path: recent.path, name: recent.name, gone }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vanished_projects_stay_in_the_list_with_their_reason() {
        let dir = tempfile::tempdir().unwrap();
        let mut session = Session::default();
        session.opened(dir.path().join("gone"), "Gone".into());
        std::fs::create_dir(dir.path().join("empty")).unwrap();
        session.opened(dir.path().join("empty"), "Empty".into());
        drop(crate::project::Project::create(&dir.path().join("there"), "There").unwrap());
        session.opened(dir.path().join("there"), "There".into());
        session.save_to(dir.path()).unwrap();
        let listed = list(dir.path());
        let said: Vec<(&str, Option<&str>)> =
            listed.iter().map(|recent| (recent.name.as_str(), recent.gone.as_deref())).collect();
        let wanted = [
            ("There", None),
            ("Empty", Some("The folder holds no project any more")),
            ("Gone", Some("The folder is not there any more")),
        ];
        assert_eq!(said, wanted);
    }
}
